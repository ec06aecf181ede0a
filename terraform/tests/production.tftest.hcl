# With the settings of terraform.tfvars.example.
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

override_data {
  target = data.aws_availability_zones.available
  values = { names = ["zone-a", "zone-b", "zone-c"] }
}

variables {
  region             = "eu-west-1"
  name               = "shop"
  alert_email        = "data-team@example.com"
  monthly_budget_usd = 100
  log_retention_days = 90
  enable_vpc         = true
  github_subject     = "repo:shop@1234/pipeline@56789:environment:production"
  budget_tag_only    = true

  github_plan_subject = "repo:shop@1234/pipeline@56789:pull_request"
  state_bucket        = "shop-state"

  record_object_access    = true
  landing_retention_days  = 400
  snapshot_retention_days = 30
  tags                    = { CostCenter = "analytics" }
}

run "production" {
  command = plan

  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy != true && startswith(bucket.bucket, "prod-shop-") && strcontains(bucket.bucket, "eu-west-1")])
    error_message = "Buckets bear the name, and can't be destroyed with data in them."
  }

  assert {
    condition     = local.tags == { Project = "prod-shop", ManagedBy = "terraform", CostCenter = "analytics" }
    error_message = "Everything bears the tags."
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "data-team@example.com"
    error_message = "Alerts go to the address."
  }

  assert {
    condition     = aws_budgets_budget.monthly.limit_amount == "100" && one(aws_budgets_budget.monthly.cost_filter).values[0] == "user:Project$prod-shop"
    error_message = "The budget is that of this project."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.jobs : group.retention_in_days == 90])
    error_message = "Logs are kept for as long as was asked."
  }

  assert {
    condition     = length(aws_cloudtrail.objects[0].event_selector[0].data_resource[0].values) == 4 && anytrue([for statement in jsondecode(data.aws_iam_policy_document.bucket["trail"].json).Statement : try(statement.Sid, "") == "TrailWrites"])
    error_message = "Who reads and writes objects is recorded, in a bucket of its own."
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this["landing"].rule : rule if startswith(rule.id, "expire-")]).expiration[0].days == 400 && strcontains(output.environment, "ECOMMERCE_LANDING_DAYS=400\n") && strcontains(output.environment, "ECOMMERCE_SNAPSHOT_DAYS=30\n")
    error_message = "The pipeline is told for how long deliveries are kept."
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["github"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:shop@1234/pipeline@56789:environment:production"
    error_message = "Only this subject may publish."
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["github-plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == ["repo:shop@1234/pipeline@56789:pull_request", "repo:shop@1234/pipeline@56789:ref:refs/heads/main"] && alltrue(flatten([for statement in jsondecode(aws_iam_role_policy.github_plan[0].policy).Statement : [for action in flatten([statement.Action]) : can(regex(":(Get|List|View)", action)) && (action != "s3:GetObject" || alltrue([for resource in flatten([statement.Resource]) : resource == "arn:aws:s3:::shop-state/*" || endswith(resource, "/scripts/no_release.py")]))]])) && endswith(one(aws_iam_role_policy_attachment.github_plan).policy_arn, "/SecurityAudit")
    error_message = "Pull requests may see settings and the state, and change nothing."
  }
}

run "an_older_repository" {
  command = plan

  variables {
    github_subject = "repo:shop/pipeline:environment:production"
  }

  assert {
    condition     = jsondecode(aws_iam_role.github["github"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:shop/pipeline:environment:production"
    error_message = "A subject without ids is taken as it is."
  }
}

run "a_subject_of_every_branch" {
  command = plan

  variables {
    github_subject = "repo:shop/pipeline:*"
  }

  expect_failures = [var.github_subject]
}
