# What differs from the defaults in an environment for trials: `make deploy ENVIRONMENT=dev`.
environment        = "dev"
force_destroy      = true
log_retention_days = 7
