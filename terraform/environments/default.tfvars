# The only environment of an account, whose names have no prefix, with its state in the default
# workspace: `make deploy ENVIRONMENT=default`.
environment = ""
