"""HTTP to the services: the client and its bounded exchanges."""
