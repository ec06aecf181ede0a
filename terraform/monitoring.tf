# Failed jobs, missing runs and too high a bill are reported by mail; Dagster's own alerts say more
# (see secrets.tf).

resource "aws_sns_topic" "alerts" {
  #checkov:skip=CKV_AWS_26:EventBridge and Budgets can't publish under AWS's own key; the messages hold names of jobs and sums of money
  name = "${local.name}-alerts"
}

data "aws_iam_policy_document" "alerts" {
  statement {
    sid       = "FailedJobs"
    actions   = ["sns:Publish"]
    resources = [local.alerts_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:${var.region}:${local.account}:rule/${local.name}-job-failed"]
    }
  }

  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [local.alerts_arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:${local.name}-*"]
    }
  }

  statement {
    sid       = "Budget"
    actions   = ["sns:Publish"]
    resources = [local.alerts_arn]

    principals {
      type        = "Service"
      identifiers = ["budgets.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = data.aws_iam_policy_document.alerts.json
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alert_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.alert_email
}

resource "aws_cloudwatch_event_rule" "job_failed" {
  name        = "${local.name}-job-failed"
  description = "A Glue job of ${local.name} did not end well."

  event_pattern = jsonencode({
    source        = ["aws.glue"]
    "detail-type" = ["Glue Job State Change"]
    detail = {
      jobName = [for job in local.jobs : job.name]
      state   = ["ERROR", "EXPIRED", "FAILED", "TIMEOUT"]
    }
  })
}

resource "aws_cloudwatch_event_target" "job_failed" {
  rule = aws_cloudwatch_event_rule.job_failed.name
  arn  = aws_sns_topic.alerts.arn

  input_transformer {
    input_paths = {
      job     = "$.detail.jobName"
      message = "$.detail.message"
      run     = "$.detail.jobRunId"
      state   = "$.detail.state"
    }
    # Outside quotes, a value is escaped: a message may have quotes and several lines.
    input_template = "{\"job\": <job>, \"state\": <state>, \"run\": <run>, \"message\": <message>}"
  }
}

# What the rule could not pass on is no job that ended well.
resource "aws_cloudwatch_metric_alarm" "not_told" {
  alarm_name          = "${local.name}-failure-not-told"
  alarm_description   = "EventBridge could not tell of a job of ${local.name} that failed: look at Glue's runs."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.job_failed.name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}

resource "aws_budgets_budget" "monthly" {
  name         = "${local.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "cost_filter" {
    for_each = var.budget_tag_only ? [format("user:Project$%s", local.name)] : []

    content {
      name   = "TagKeyValue"
      values = [cost_filter.value]
    }
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [aws_sns_topic.alerts.arn]
    }
  }
}

# A workgroup's queries that read too much, each below its limit.
resource "aws_cloudwatch_metric_alarm" "scanned" {
  for_each            = local.workgroups
  alarm_name          = "${local.name}-scanned-${each.key}"
  alarm_description   = "The queries of ${each.value} read more than ${var.alarm_scanned_gigabytes} GB in a day: see the workgroup's query history."
  namespace           = "AWS/Athena"
  metric_name         = "ProcessedBytes"
  dimensions          = { WorkGroup = each.value, QueryState = "SUCCEEDED", QueryType = "DML" }
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.alarm_scanned_gigabytes * pow(10, 9)
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}

# Where something materializes each day, the tables are to be new, whatever is the reason that they are
# not: the schedule is off, the daemon is down, a role is missing, a run waits.
locals {
  # By Glue's runs of gold, so only where there are any.
  watches_success       = local.on_glue && coalesce(var.watch_daily_runs, local.dagster_runs)
  watched_count         = local.watches_success ? 1 : 0
  hours_without_success = 26                                  # a day, and what a late run may take
  quota_message         = "the quota of Glue DPUs is used up" # as the launcher says it
}

resource "aws_cloudwatch_event_rule" "succeeded" {
  count       = local.watched_count
  name        = "${local.name}-succeeded"
  description = "The gold job of ${local.name} succeeded."

  event_pattern = jsonencode({
    source        = ["aws.glue"]
    "detail-type" = ["Glue Job State Change"]
    detail        = { jobName = [local.jobs.gold.name], state = ["SUCCEEDED"] }
  })
}

# A rule counts what it has passed on, so it needs somebody to pass it on to.
resource "aws_cloudwatch_log_group" "succeeded" {
  #checkov:skip=CKV_AWS_158:Names of jobs and times
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year of them is no default to pay for
  count             = local.watched_count
  name              = "/aws/events/${local.name}-succeeded"
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "log_events" {
  statement {
    sid       = "Begin"
    actions   = ["logs:CreateLogStream"]
    resources = ["${local.logs_arn}:log-group:/aws/events/${local.name}-succeeded:*"]

    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com", "events.amazonaws.com"]
    }
  }

  statement {
    sid       = "Write"
    actions   = ["logs:PutLogEvents"]
    resources = ["${local.logs_arn}:log-group:/aws/events/${local.name}-succeeded:*"]

    principals {
      type        = "Service"
      identifiers = ["delivery.logs.amazonaws.com", "events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:${var.region}:${local.account}:rule/${local.name}-succeeded"]
    }
  }
}

resource "aws_cloudwatch_log_resource_policy" "events" {
  count           = local.watched_count
  policy_name     = "${local.name}-events"
  policy_document = data.aws_iam_policy_document.log_events.json
}

resource "aws_cloudwatch_event_target" "succeeded" {
  count = local.watched_count
  rule  = aws_cloudwatch_event_rule.succeeded[0].name
  arn   = aws_cloudwatch_log_group.succeeded[0].arn
}

resource "aws_cloudwatch_metric_alarm" "no_success" {
  count               = local.watched_count
  alarm_name          = "${local.name}-no-success"
  alarm_description   = "No run of ${local.name} has published gold for ${local.hours_without_success} hours: is the schedule on, did its run fail, does the daemon run?"
  namespace           = "AWS/Events"
  metric_name         = "TriggeredRules"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.succeeded[0].name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = local.hours_without_success
  datapoints_to_alarm = local.hours_without_success
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

# A task whose health check fails is replaced; none for a quarter of an hour is an alarm. A service
# without a task has no figures.
resource "aws_cloudwatch_metric_alarm" "down" {
  count               = local.dagster_runs ? 1 : 0
  alarm_name          = "${local.name}-dagster-down"
  alarm_description   = "Dagster has not run for 15 minutes: see the service's events in ECS, and the log group ${local.dagster_log_group}."
  namespace           = "AWS/ECS"
  metric_name         = "CPUUtilization"
  dimensions          = { ClusterName = local.name, ServiceName = "dagster" }
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
}

resource "aws_cloudwatch_log_metric_filter" "quota" {
  count          = local.dagster_count
  name           = "${local.name}-quota"
  log_group_name = aws_cloudwatch_log_group.dagster[0].name
  pattern        = "\"${local.quota_message}\""

  metric_transformation {
    name      = "QuotaUsedUp"
    namespace = local.name
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "quota" {
  count               = local.dagster_count
  alarm_name          = "${local.name}-quota"
  alarm_description   = "A job of ${local.name} waits, as the account's quota of Glue DPUs is used up: raise it in the console of Service Quotas."
  namespace           = local.name
  metric_name         = "QuotaUsedUp"
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}
