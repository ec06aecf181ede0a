# The AWS side of ecommerce_assets: what runs where is in ../ecommerce_assets/deployment.json,
# which the launcher reads too; how it is secured, watched and paid for is here.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.66.0"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_id == null ? null : [var.account_id]

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  deployment = jsondecode(file("${path.module}/../ecommerce_assets/deployment.json"))
  storage    = local.deployment.storage
  layers     = ["bronze", "silver", "gold"]

  # A KPI is a module of the gold layer: who adds one has its query here by that alone.
  gold_tables = sort([
    for file in fileset("${path.module}/../ecommerce_assets/tables/gold", "*.py") :
    trimsuffix(file, ".py") if !startswith(file, "_")
  ])
  kpis = [
    for table in local.gold_tables :
    table if !startswith(table, "dim_") && !startswith(table, "fact_")
  ]

  # An environment's names, as deployment.py has them.
  prefix    = var.environment == "" ? "" : "${var.environment}-"
  name      = "${local.prefix}${var.name}"
  jobs      = { for key, job in local.deployment.jobs : key => merge(job, { name = "${local.prefix}${job.name}" }) }
  databases = { for layer in local.layers : layer => "${replace(local.prefix, "-", "_")}${layer}" }
  log_group = "${var.environment == "" ? "" : "/${var.environment}"}${local.storage.log_group}"

  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  tags      = merge({ Project = local.name, ManagedBy = "terraform" }, var.tags)

  # Whether Glue computes the tables, or Dagster itself.
  on_glue = lookup(var.pipeline_settings, "ECOMMERCE_ENGINE", "spark") == "spark"

  # What the pipeline's processes are told, on a laptop by .env and on a server by their task.
  settings = merge({
    ECOMMERCE_DEPLOYMENT          = "aws"
    ECOMMERCE_ENVIRONMENT         = var.environment
    ECOMMERCE_LANDING             = local.landing
    ECOMMERCE_LANDING_DAYS        = coalesce(var.landing_retention_days, 0)
    ECOMMERCE_LAKEHOUSE           = local.lakehouse
    ECOMMERCE_SNAPSHOT_DAYS       = var.snapshot_retention_days
    ECOMMERCE_ARTIFACTS           = local.artifacts
    ECOMMERCE_DASHBOARD           = "s3://${local.bucket_names.results}/${local.storage.dashboard}/sales.html"
    ECOMMERCE_WORKGROUP           = local.workgroups.analyst
    ECOMMERCE_DASHBOARD_WORKGROUP = local.workgroups.dashboard
    ECOMMERCE_ALERT_SECRET        = local.secret_name
    ECOMMERCE_UI_URL              = local.dagster_url
    AWS_REGION                    = var.region
    AWS_DEFAULT_REGION            = var.region
  }, var.pipeline_settings)

  # Names and ARNs are put together here, so that a plan shows every policy before anything exists.
  bucket_names = { for key in keys(local.buckets) : key => "${local.name}-${local.account}-${var.region}-${key}" }
  bucket_arns  = { for key, name in local.bucket_names : key => "arn:${local.partition}:s3:::${name}" }
  glue_arn     = "arn:${local.partition}:glue:${var.region}:${local.account}"
  logs_arn     = "arn:${local.partition}:logs:${var.region}:${local.account}"
  alerts_arn   = "arn:${local.partition}:sns:${var.region}:${local.account}:${local.name}-alerts"
  secret_name  = "${local.name}/alert-webhook"
}
