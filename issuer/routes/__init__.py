"""The issuer's HTTP routes, thin over the objects; one file a noun."""
