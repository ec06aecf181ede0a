output "environment" {
  description = "Settings of the pipeline: `terraform output -raw environment > ../.env`."
  value       = <<-EOT
    ECOMMERCE_DEPLOYMENT=aws
    ECOMMERCE_ENVIRONMENT=${var.environment}
    ECOMMERCE_LANDING=${local.landing}
    ECOMMERCE_LAKEHOUSE=${local.lakehouse}
    ECOMMERCE_ARTIFACTS=${local.artifacts}
    ECOMMERCE_DASHBOARD=s3://${aws_s3_bucket.this["results"].bucket}/${local.storage.dashboard}/sales.html
    ECOMMERCE_WORKGROUP=${aws_athena_workgroup.this["analyst"].name}
    ECOMMERCE_DASHBOARD_WORKGROUP=${aws_athena_workgroup.this["dashboard"].name}
    ECOMMERCE_ALERT_SECRET=${aws_secretsmanager_secret.alert_webhook.name}
    ECOMMERCE_UI_URL=${var.dagster_url}
    AWS_REGION=${var.region}
    AWS_DEFAULT_REGION=${var.region}
  EOT
}

output "buckets" {
  description = "Names of the buckets by purpose."
  value       = { for key, bucket in aws_s3_bucket.this : key => bucket.id }
}

output "policies" {
  description = "ARNs of the policies to attach: to Dagster's identity (orchestrator, dashboard), to who publishes or uploads, to analysts."
  value = {
    orchestrator = aws_iam_policy.orchestrator.arn
    publisher    = aws_iam_policy.publisher.arn
    uploader     = aws_iam_policy.uploader.arn
    analyst      = aws_iam_policy.reader["analyst"].arn
    dashboard    = aws_iam_policy.reader["dashboard"].arn
  }
}

output "jobs" {
  description = "Names of the Glue jobs by layer."
  value       = { for key, job in aws_glue_job.this : key => job.name }
}

output "alerts_topic" {
  description = "ARN of the topic that failed jobs and the budget are told to."
  value       = aws_sns_topic.alerts.arn
}

output "github_role" {
  description = "ARN of the role that the GitHub workflow assumes; null without a repository."
  value       = one(aws_iam_role.github[*].arn)
}
