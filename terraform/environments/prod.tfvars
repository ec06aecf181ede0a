# What differs from the defaults in production: `make deploy`.
environment        = "prod"
log_retention_days = 90
