# Several environments in one account: nothing of one has the name of something of another's.
# Plans only: nothing is created, no account is asked, with the real provider as with a stand-in.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

run "dev" {
  command = plan

  variables {
    environment = "dev"
  }

  assert {
    condition     = { for layer, database in aws_glue_catalog_database.layer : layer => database.name } == { bronze = "dev_bronze", silver = "dev_silver", gold = "dev_gold" }
    error_message = "Databases bear the environment's name."
  }

  assert {
    condition     = alltrue([for name in concat([for job in aws_glue_job.this : job.name], [for workgroup in aws_athena_workgroup.this : workgroup.name], [for bucket in aws_s3_bucket.this : bucket.bucket], [for role in aws_iam_role.job : role.name], [for policy in aws_iam_policy.reader : policy.name], [aws_iam_policy.orchestrator.name, aws_iam_policy.publisher.name, aws_iam_policy.uploader.name, aws_sns_topic.alerts.name, aws_cloudwatch_event_rule.job_failed.name, aws_budgets_budget.monthly.name, aws_secretsmanager_secret.alert_webhook.name]) : startswith(name, "dev-")])
    error_message = "So does everything whose name is one of the account's."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.jobs : startswith(group.name, "/dev/")])
    error_message = "So do log groups."
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.this : job.default_arguments["--environment"] == "dev"])
    error_message = "Jobs work on their environment's databases."
  }

  # Databases, tables, jobs and workgroups in policies are this environment's.
  assert {
    condition = alltrue(flatten([for document in concat(values(data.aws_iam_policy_document.job), values(data.aws_iam_policy_document.reader), [data.aws_iam_policy_document.orchestrator]) :
      [for statement in jsondecode(document.json).Statement : [for resource in flatten([statement.Resource]) : !can(regex(":(database|table|job|workgroup)/", resource)) || can(regex(":(database|table)/dev_|:(job|workgroup)/dev-|:database/(default|global_temp|[*])$", resource))]]
    ]))
    error_message = "No policy speaks of another environment."
  }

  assert {
    condition     = alltrue([for query in aws_athena_named_query.kpi : query.database == "dev_gold" && strcontains(query.query, " dev_gold.")])
    error_message = "Named queries are on this environment's tables."
  }

  assert {
    condition     = strcontains(output.environment, "ECOMMERCE_ENVIRONMENT=dev\n")
    error_message = "The settings name the environment."
  }
}

run "the_only_one" {
  command = plan

  variables {
    environment = ""
  }

  assert {
    condition     = aws_glue_catalog_database.layer["gold"].name == "gold" && aws_glue_job.this["gold"].name == "ecommerce-gold-aggregation" && startswith(aws_s3_bucket.this["landing"].bucket, "ecommerce-")
    error_message = "Without an environment, names are as they are declared."
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.this : !contains(keys(job.default_arguments), "--environment")])
    error_message = "Glue takes no empty argument."
  }
}

run "a_name_that_databases_can_t_have" {
  command = plan

  variables {
    environment = "dev-2"
  }

  expect_failures = [var.environment]
}

run "a_name_too_long_for_buckets" {
  command = plan

  variables {
    environment = "production"
    name        = "a-shop-of-books"
  }

  expect_failures = [var.environment]
}
