# Databases, and a job for each layer and for maintenance, as deployment.json lists them.

resource "aws_glue_catalog_database" "layer" {
  for_each     = local.databases
  name         = each.value
  description  = "The ${each.key} tables of ${local.name}."
  location_uri = "${local.lakehouse}/${each.key}"

  # Where Lake Formation governs new databases, IAM's policies would not be enough without this.
  create_table_default_permission {
    permissions = ["ALL"]

    principal {
      data_lake_principal_identifier = "IAM_ALLOWED_PRINCIPALS"
    }
  }
}

locals {
  lakehouse = "s3://${local.bucket_names.lakehouse}"
  landing   = "s3://${local.bucket_names.landing}/${local.storage.landing}"
  artifacts = "s3://${local.bucket_names.artifacts}"

  no_release = "scripts/no_release.py"

  # Glue adds these two endings to the prefix that its jobs are given.
  log_groups = toset([for stream in ["output", "error"] : "${local.log_group}/${stream}"])

  # Glue has one --conf argument; further settings follow in its value.
  spark_conf = replace(
    join(" --conf ", [for name, value in local.deployment.spark : "${name}=${value}"]),
    "{lakehouse}", local.lakehouse
  )
}

resource "aws_glue_job" "this" {
  #checkov:skip=CKV_AWS_195:Buckets encrypt by themselves and logs are encrypted by CloudWatch; a security configuration adds only a KMS key
  for_each          = local.jobs
  name              = each.value.name
  description       = "ecommerce_assets: the ${each.key} job."
  role_arn          = aws_iam_role.job[each.key].arn
  glue_version      = local.deployment.glue_version
  worker_type       = each.value.worker_type
  number_of_workers = each.value.workers
  execution_class   = each.value.execution_class
  timeout           = each.value.timeout_minutes
  max_retries       = 0 # Dagster retries; Glue's own retry would run beside it, and be paid
  connections       = aws_glue_connection.private[*].name

  command {
    name            = "glueetl"
    script_location = "${local.artifacts}/${local.no_release}" # the launcher names that of its release
    python_version  = "3"
  }

  execution_property {
    max_concurrent_runs = 1
  }

  default_arguments = merge(local.deployment.arguments, {
    "--custom-logGroup-prefix" = local.log_group
    "--lakehouse"              = local.lakehouse
    "--spark-event-logs-path"  = "${local.artifacts}/${local.storage.spark_events}/${each.key}/"
  }, var.environment == "" ? {} : { "--environment" = var.environment })

  # No run can say otherwise: packages come from the release, and no setting of Spark's loads code.
  non_overridable_arguments = {
    "--conf"                            = local.spark_conf
    "--python-modules-installer-option" = "--no-index"
  }

  depends_on = [aws_cloudwatch_log_group.jobs, aws_s3_bucket.this]
}

# Who starts a job in the console gets a reason, and not a missing file.
resource "aws_s3_object" "no_release" {
  #checkov:skip=CKV_AWS_186:SSE-S3, as the bucket; it holds a sentence
  bucket  = aws_s3_bucket.this["artifacts"].id
  key     = local.no_release
  content = <<-EOT
    raise SystemExit("This job is started by Dagster or by `ecommerce run`, which name the release that it runs.")
  EOT
}

resource "aws_cloudwatch_log_group" "jobs" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key; the logs hold no rows but samples of failed checks
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year of them is no default to pay for
  for_each          = local.log_groups
  name              = each.key
  retention_in_days = var.log_retention_days
}
