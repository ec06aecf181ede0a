# For each kind of reader a workgroup, which decides where results go and how much a query may read;
# and for analysts a query for each KPI.

locals {
  workgroups = {
    analyst   = "${local.prefix}${local.deployment.athena.workgroup}"
    dashboard = "${local.prefix}${local.deployment.athena.workgroup}-dashboard"
  }
}

moved {
  from = aws_athena_workgroup.this
  to   = aws_athena_workgroup.this["analyst"]
}

resource "aws_athena_workgroup" "this" {
  for_each      = local.workgroups
  name          = each.value
  description   = "Queries on the tables of ${local.name}."
  force_destroy = true # it holds queries and their history, and can't be destroyed otherwise

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = local.deployment.athena.scan_limit_bytes

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${aws_s3_bucket.this["results"].bucket}/${local.storage.query_results}/${each.key}/"
      expected_bucket_owner = local.account

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

resource "aws_athena_named_query" "kpi" {
  for_each    = toset(local.kpis)
  name        = each.key
  description = "The KPI ${each.key}."
  workgroup   = aws_athena_workgroup.this["analyst"].id
  database    = aws_glue_catalog_database.layer["gold"].name
  query       = "SELECT * FROM ${local.databases.gold}.${each.key} ORDER BY 1 DESC LIMIT 1000"
}
