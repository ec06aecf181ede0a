"""AWS by stand-ins: Glue, S3, Athena, ECS, Postgres, Terraform."""
