"""The protocol: formats, signatures, seals and lists. A page of docs/spec is a module here and a file of vectors."""
