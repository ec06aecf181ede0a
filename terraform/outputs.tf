output "environment" {
  description = "Settings of the pipeline: `terraform output -raw environment > ../.env`."
  value       = join("", [for name, value in local.settings : "${name}=${value}\n"])
}

output "buckets" {
  description = "Names of the buckets by purpose."
  value       = { for key, bucket in aws_s3_bucket.this : key => bucket.id }
}

output "policies" {
  description = "ARNs of the policies to attach: to Dagster's identity (orchestrator, dashboard; embedded where it computes the tables itself), to who publishes or uploads, to analysts."
  value = {
    orchestrator = aws_iam_policy.orchestrator.arn
    embedded     = aws_iam_policy.embedded.arn
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

output "github_roles" {
  description = "ARNs of the roles that GitHub's workflows assume: github publishes, github-plan plans."
  value       = { for role, resource in aws_iam_role.github : role => resource.arn }
}

output "dagster" {
  description = "Where Dagster's image goes, and how its UI is reached; null without it."
  value = !var.enable_dagster ? null : {
    repository = aws_ecr_repository.dagster[0].repository_url
    cluster    = local.name
    ui         = local.dagster_url
  }
}
