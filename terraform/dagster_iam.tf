# Roles of Dagster's tasks: the server starts, shows and ends runs, and looks for deliveries; the runs
# do what Dagster does elsewhere, by the policies of access.tf.

data "aws_iam_policy_document" "assumed_by_tasks" {
  for_each = { task = [local.account], execution = [] }

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # Documented for the role of a task, not for that by which ECS starts it.
    dynamic "condition" {
      for_each = each.value

      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [condition.value]
      }
    }
  }
}

locals {
  ecs_arn             = "arn:${local.partition}:ecs:${var.region}:${local.account}"
  cluster_arn         = "${local.ecs_arn}:cluster/${local.name}"
  task_arns           = "${local.ecs_arn}:task/${local.name}/*"
  run_role_arns       = [for name in ["dagster-run", "execution-run"] : "arn:${local.partition}:iam::${local.account}:role/${local.name}-${name}"]
  repository_arn      = "arn:${local.partition}:ecr:${var.region}:${local.account}:repository/${local.name}-dagster"
  dagster_logs_arn    = "${local.logs_arn}:log-group:${local.dagster_log_group}:*"
  database_user       = "dagster"
  database_connection = "arn:${local.partition}:rds-db:${var.region}:${local.account}:dbuser:${try(aws_db_instance.dagster[0].resource_id, "none")}/${local.database_user}"
}

locals {
  dagster_roles = toset(["server", "run"])
}

resource "aws_iam_role" "dagster" {
  for_each           = var.enable_dagster ? local.dagster_roles : []
  name               = "${local.name}-dagster-${each.key}"
  description        = "Dagster's tasks: ${each.key}."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks["task"].json
}

# Each of Dagster's tasks.
data "aws_iam_policy_document" "every_task" {
  statement {
    sid       = "ConnectToDatabase"
    actions   = ["rds-db:connect"]
    resources = [local.database_connection]
  }

  statement {
    sid       = "KeepWhatRunsWrite"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/compute-logs/*"]
  }

  # Without a condition: a log that is not there yet must be missing, and not forbidden.
  statement {
    sid       = "FindWhatRunsWrote"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]
  }
}

data "aws_iam_policy_document" "start_runs" {
  statement {
    sid       = "LookAtTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"] # it takes no resource
  }

  statement {
    sid       = "FollowAndStopRuns"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = [local.task_arns]
  }

  statement {
    sid       = "StartRuns"
    actions   = ["ecs:RunTask"]
    resources = ["${local.ecs_arn}:task-definition/${local.run_family}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  statement {
    sid       = "TagRuns"
    actions   = ["ecs:TagResource"]
    resources = [local.task_arns]

    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask"]
    }
  }

  statement {
    sid       = "PassRolesOfRuns"
    actions   = ["iam:PassRole"]
    resources = local.run_role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid       = "FindOwnNetwork"
    actions   = ["ec2:DescribeNetworkInterfaces"]
    resources = ["*"] # it takes no resource
  }

  statement {
    sid       = "ReadLogsOfLostRuns"
    actions   = ["logs:GetLogEvents"]
    resources = [local.dagster_logs_arn]
  }
}

# The agent of a port forwarding.
data "aws_iam_policy_document" "forward_port" {
  statement {
    sid = "ForwardPort"
    actions = [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]
    resources = ["*"] # they take no resource
  }
}

data "aws_iam_policy_document" "dagster" {
  for_each = local.dagster_roles

  source_policy_documents = concat(
    [data.aws_iam_policy_document.every_task.json],
    each.key == "run" ? [] : [data.aws_iam_policy_document.start_runs.json, data.aws_iam_policy_document.sensors.json],
    each.key == "server" && local.forwarded ? [data.aws_iam_policy_document.forward_port.json] : [],
  )
}

resource "aws_iam_role_policy" "dagster" {
  for_each = aws_iam_role.dagster
  name     = "dagster"
  role     = each.value.id
  policy   = data.aws_iam_policy_document.dagster[each.key].json
}

# What Dagster's identity has elsewhere: it runs the jobs or does their work, and builds the dashboard.
resource "aws_iam_role_policy_attachment" "dagster" {
  for_each = var.enable_dagster ? merge(
    { orchestrator = aws_iam_policy.orchestrator.arn, dashboard = aws_iam_policy.reader["dashboard"].arn },
    local.on_glue ? {} : { embedded = aws_iam_policy.embedded.arn },
  ) : {}
  role       = aws_iam_role.dagster["run"].name
  policy_arn = each.value
}

# What ECS itself needs to start a task: the image, a log; and for the server, the database's secret.
resource "aws_iam_role" "execution" {
  for_each           = var.enable_dagster ? local.dagster_roles : []
  name               = "${local.name}-execution-${each.key}"
  description        = "Starts Dagster's tasks: ${each.key}."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_tasks["execution"].json
}

data "aws_iam_policy_document" "execution" {
  for_each = local.dagster_roles

  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # it takes no resource
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [local.repository_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [local.dagster_logs_arn]
  }

  dynamic "statement" {
    for_each = each.key == "server" ? ["database"] : []

    content {
      sid       = "ReadDatabaseSecret"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [coalesce(local.database_secret_arn, "arn:${local.partition}:secretsmanager:${var.region}:${local.account}:secret:none")]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = aws_iam_role.execution
  name     = "execution"
  role     = each.value.id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}
