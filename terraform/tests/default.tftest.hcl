# As it is deployed without a single variable: no VPC, and everybody kept to what they need.
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

run "default" {
  command = plan

  assert {
    condition     = length(aws_glue_job.this) == 4 && alltrue([for job in aws_glue_job.this : job.max_retries == 0 && job.glue_version == "5.1" && job.timeout > 0])
    error_message = "Four Glue 5.1 jobs, with a timeout and without Glue's own retries."
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.this : job.default_arguments["--job-bookmark-option"] == "job-bookmark-disable" && job.default_arguments["--enable-job-insights"] == "true"])
    error_message = "No bookmarks; insights on."
  }

  assert {
    condition     = toset(keys(aws_glue_catalog_database.layer)) == toset(["bronze", "silver", "gold"])
    error_message = "A database for each layer."
  }

  assert {
    condition     = length(aws_vpc.private) == 0 && length(aws_glue_connection.private) == 0
    error_message = "No VPC unless it is asked for."
  }

  assert {
    condition     = alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets]) && length(aws_s3_bucket_public_access_block.this) == 4
    error_message = "No bucket may become public."
  }

  assert {
    condition     = alltrue([for workgroup in aws_athena_workgroup.this : workgroup.configuration[0].enforce_workgroup_configuration && workgroup.configuration[0].bytes_scanned_cutoff_per_query > 0]) && toset(keys(aws_athena_workgroup.this)) == toset(["analyst", "dashboard"])
    error_message = "The workgroups' settings are enforced, with a scan limit."
  }

  assert {
    condition     = toset(keys(aws_athena_named_query.kpi)) == toset(["category_performance", "customer_lifetime_value", "daily_revenue", "monthly_revenue", "order_revenue_by_cohort", "orders_per_customer", "top_products", "weekly_revenue"])
    error_message = "A named query for each KPI."
  }

  # EventBridge escapes a value that stands outside quotes, and no other.
  assert {
    condition     = can(jsondecode(replace(aws_cloudwatch_event_target.job_failed.input_transformer[0].input_template, "/<[a-z]+>/", "\"x\""))) && aws_cloudwatch_metric_alarm.not_told.dimensions["RuleName"] == aws_cloudwatch_event_rule.job_failed.name
    error_message = "A failure is told whatever its message holds, or an alarm says that it was not."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this["artifacts"].rule : !startswith(rule.id, "expire-") || try(rule.noncurrent_version_expiration[0].noncurrent_days, 0) == 1])
    error_message = "What has expired is gone, its versions as well."
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.this : !contains(keys(job.default_arguments), "--enable-metrics") && !contains(keys(job.default_arguments), "--enable-observability-metrics")])
    error_message = "No metrics are paid for that nobody gets."
  }
}

run "policies" {
  command = plan

  assert {
    condition     = alltrue([for bucket in data.aws_iam_policy_document.bucket : jsondecode(bucket.json).Statement[0].Effect == "Deny" && jsondecode(bucket.json).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"]) && length(data.aws_iam_policy_document.bucket) == 4
    error_message = "Every bucket refuses what is not TLS."
  }

  assert {
    condition     = alltrue(flatten([for name in ["silver", "gold", "maintenance"] : [for statement in jsondecode(data.aws_iam_policy_document.job[name].json).Statement : !strcontains(jsonencode(statement.Resource), "landing")]]))
    error_message = "Nobody but bronze reads landing."
  }

  assert {
    condition     = alltrue(flatten([for name, job in local.jobs : [for statement in jsondecode(data.aws_iam_policy_document.job[name].json).Statement : alltrue([for layer in setsubtract(local.layers, job.writes) : !can(regex("[/_]${layer}", jsonencode(statement.Resource)))]) if contains(["ChangeOwnFiles", "ChangeOwnTables"], statement.Sid)]]))
    error_message = "A job changes the tables of its own layer only."
  }

  assert {
    condition     = alltrue(flatten([for name, job in local.jobs : [for statement in jsondecode(data.aws_iam_policy_document.job[name].json).Statement : alltrue([for layer in setsubtract(local.layers, concat(job.reads, job.writes)) : !can(regex("[/_]${layer}", jsonencode(statement.Resource)))])]]))
    error_message = "A job sees the layers that it reads, and no others."
  }

  # Metrics have no ARN, nor has what Athena's console lists; everything else is named.
  assert {
    condition = alltrue(flatten([for document in concat(values(data.aws_iam_policy_document.job), values(data.aws_iam_policy_document.reader), [data.aws_iam_policy_document.orchestrator, data.aws_iam_policy_document.embedded, data.aws_iam_policy_document.publisher, data.aws_iam_policy_document.uploader]) :
      [for statement in jsondecode(document.json).Statement : contains(["WriteMetrics", "Browse"], statement.Sid) || !contains(flatten([statement.Resource]), "*")]
    ]))
    error_message = "No policy names every resource."
  }

  assert {
    condition = alltrue(flatten([for document in concat(values(data.aws_iam_policy_document.job), values(data.aws_iam_policy_document.reader), [data.aws_iam_policy_document.orchestrator, data.aws_iam_policy_document.embedded, data.aws_iam_policy_document.publisher, data.aws_iam_policy_document.uploader]) :
      [for statement in jsondecode(document.json).Statement : [for action in flatten([statement.Action]) : !endswith(action, "*") && !startswith(action, "iam:")]]
    ]))
    error_message = "No policy has a wildcard action, or passes a role."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(data.aws_iam_policy_document.reader["analyst"].json).Statement : !strcontains(jsonencode(statement.Resource), "silver") && !strcontains(jsonencode(statement.Resource), "bronze") && !strcontains(jsonencode(statement.Resource), "landing")])
    error_message = "Analysts read gold only."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.job : strcontains(role.assume_role_policy, "glue.amazonaws.com") && !strcontains(role.assume_role_policy, "Condition")])
    error_message = "Glue assumes the jobs' roles, without a condition that it may not meet."
  }

  assert {
    condition     = strcontains(output.environment, "ECOMMERCE_DEPLOYMENT=aws") && strcontains(output.environment, "ECOMMERCE_LAKEHOUSE=s3://prod-ecommerce-")
    error_message = "The output holds the settings of the pipeline."
  }
}

run "who_can_read_and_do_what" {
  command = plan

  # A reader's results hold what it read: nobody else's prefix, and no other workgroup.
  assert {
    condition     = alltrue([for reader, other in { analyst = "dashboard", dashboard = "analyst" } : alltrue([for statement in jsondecode(data.aws_iam_policy_document.reader[reader].json).Statement : !strcontains(jsonencode(statement.Resource), "/athena/${other}/") && !endswith(jsonencode(statement.Resource), "/athena/*\"")])])
    error_message = "Readers don't share results."
  }

  assert {
    condition     = alltrue([for key, workgroup in aws_athena_workgroup.this : endswith(workgroup.configuration[0].result_configuration[0].output_location, "/athena/${key}/")])
    error_message = "Each workgroup has results of its own."
  }

  # Scripts could be run from wherever a job's role can read.
  assert {
    condition     = alltrue(flatten([for job in keys(local.jobs) : [for statement in jsondecode(data.aws_iam_policy_document.job[job].json).Statement : !contains(flatten([statement.Action]), "s3:GetObject") || alltrue([for resource in flatten([statement.Resource]) : !strcontains(resource, "/pipes/") || endswith(resource, "/pipes/${job}/*/context.json")])]]))
    error_message = "Of what Dagster writes, a job reads only its context."
  }

  assert {
    condition     = alltrue(flatten([for job in keys(local.jobs) : [for statement in jsondecode(data.aws_iam_policy_document.job[job].json).Statement : !contains(flatten([statement.Action]), "s3:PutObject") || alltrue([for resource in flatten([statement.Resource]) : !strcontains(resource, "/releases") && (!strcontains(resource, "/pipes/") || strcontains(resource, "/pipes/${job}/"))])]]))
    error_message = "A job reports for itself, and writes no release."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(data.aws_iam_policy_document.orchestrator.json).Statement : !strcontains(jsonencode(statement.Resource), "/releases") || flatten([statement.Action]) == ["s3:GetObject"]])
    error_message = "Who starts jobs writes no code for them."
  }

  assert {
    condition     = anytrue([for statement in jsondecode(data.aws_iam_policy_document.bucket["artifacts"].json).Statement : statement.Effect == "Deny" && strcontains(jsonencode(statement.Resource), "/releases/*") && try(statement.Condition.Null["s3:if-none-match"], "") == "true"]) && contains(keys(aws_s3_bucket_versioning.this), "artifacts")
    error_message = "Releases are written once, and versioned."
  }

  assert {
    condition     = alltrue(flatten([for document in [data.aws_iam_policy_document.publisher, data.aws_iam_policy_document.uploader] : [for statement in jsondecode(document.json).Statement : can(statement.Condition) if contains(flatten([statement.Action]), "s3:ListBucket")]]))
    error_message = "Who publishes or uploads lists only what it writes."
  }
}

run "what_an_account_may_lack" {
  command = plan

  assert {
    condition     = alltrue([for database in aws_glue_catalog_database.layer : one(one(database.create_table_default_permission).principal).data_lake_principal_identifier == "IAM_ALLOWED_PRINCIPALS"])
    error_message = "IAM decides about tables where Lake Formation governs new databases."
  }

  assert {
    condition     = alltrue(flatten([for job in keys(local.jobs) : [for name in ["default", "global_temp"] : anytrue([for statement in jsondecode(data.aws_iam_policy_document.job[job].json).Statement : statement.Sid == "LookForSparksDatabases" && contains(flatten([statement.Action]), "glue:GetDatabase") && strcontains(jsonencode(statement.Resource), "database/${name}")])]]))
    error_message = "Spark may look for its own databases."
  }

  assert {
    condition     = alltrue([for job in keys(local.jobs) : anytrue([for statement in jsondecode(data.aws_iam_policy_document.job[job].json).Statement : statement.Sid == "WriteLogs" && contains(flatten([statement.Action]), "logs:CreateLogGroup")])])
    error_message = "Glue's own log groups may have to be created."
  }

  assert {
    condition     = anytrue([for statement in jsondecode(data.aws_iam_policy_document.orchestrator.json).Statement : statement.Sid == "ReadWebhook" && contains(flatten([statement.Action]), "secretsmanager:DescribeSecret")])
    error_message = "A secret without a value is told from one that is not there."
  }

  assert {
    condition     = alltrue([for workgroup in aws_athena_workgroup.this : workgroup.force_destroy])
    error_message = "A workgroup with queries can't be destroyed otherwise."
  }

  assert {
    condition     = alltrue([for action in ["athena:ListDataCatalogs", "athena:ListDatabases", "athena:GetDatabase", "athena:ListTableMetadata", "athena:GetTableMetadata", "athena:ListWorkGroups", "athena:ListEngineVersions"] : anytrue([for statement in jsondecode(data.aws_iam_policy_document.reader["analyst"].json).Statement : contains(flatten([statement.Action]), action)])])
    error_message = "Athena's console and drivers list catalogs, databases and tables."
  }

  assert {
    condition     = !contains(keys(local.expiry_days.artifacts), "releases/")
    error_message = "A release may serve for longer than any age."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly.cost_filter) == 0
    error_message = "The budget counts from the first day on, without a tag that nobody has activated."
  }

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.alerts.json).Statement[0].Condition.ArnEquals["aws:SourceArn"] == "arn:aws:events:eu-central-1:123456789012:rule/prod-ecommerce-job-failed"
    error_message = "Only this project's rule tells the topic of failed jobs."
  }

  assert {
    condition     = strcontains(output.environment, "ECOMMERCE_UI_URL=http")
    error_message = "Alerts link to Dagster."
  }
}

run "nobody_else" {
  command = plan

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this["landing"].rule : !startswith(rule.id, "expire-")]) && strcontains(output.environment, "ECOMMERCE_LANDING_DAYS=0\n")
    error_message = "Deliveries are kept forever, unless it is asked otherwise."
  }

  assert {
    condition     = length(aws_iam_role.github) == 0 && length(aws_iam_openid_connect_provider.github) == 0 && length(aws_sns_topic_subscription.email) == 0
    error_message = "Nobody from outside, unless it is asked for."
  }
}

run "daily_runs_from_elsewhere" {
  command = plan

  variables {
    watch_daily_runs = true
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_success[0].dimensions["RuleName"] == aws_cloudwatch_event_rule.succeeded[0].name && length(aws_cloudwatch_event_target.succeeded) == 1 && length(aws_cloudwatch_log_resource_policy.events) == 1
    error_message = "Who has no Dagster on AWS is told as well that nothing was published."
  }
}

run "a_wrong_account" {
  command = plan

  variables {
    account_id = "1234"
  }

  expect_failures = [var.account_id]
}

run "a_wrong_name" {
  command = plan

  variables {
    name = "My Shop"
  }

  expect_failures = [var.name]
}
