# One role a job, which can do what its layer needs; policies for Dagster, publishers and analysts.

data "aws_iam_policy_document" "assumed_by_glue" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "job" {
  for_each           = local.deployment.jobs
  name               = "${var.name}-glue-${each.key}"
  description        = "Glue job ${each.value.name}."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_glue.json
}

resource "aws_iam_role_policy" "job" {
  for_each = local.deployment.jobs
  name     = "job"
  role     = aws_iam_role.job[each.key].id
  policy   = data.aws_iam_policy_document.job[each.key].json
}

locals {
  log_group_arns = [for name in local.log_groups : "${local.logs_arn}:log-group:${name}:*"]
}

data "aws_iam_policy_document" "job" {
  for_each = local.deployment.jobs

  statement {
    sid       = "ReadReleases"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.releases}/*"]
  }

  statement {
    sid       = "Pipes"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.pipes}/*"]
  }

  statement {
    sid       = "ListArtifacts"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.storage.releases}/*", "${local.storage.pipes}/*"]
    }
  }

  # Only bronze reads deliveries.
  dynamic "statement" {
    for_each = each.key == "bronze" ? ["landing"] : []

    content {
      sid       = "ReadLanding"
      actions   = ["s3:GetObject"]
      resources = ["${local.bucket_arns.landing}/${local.storage.landing}/*"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "bronze" ? ["landing"] : []

    content {
      sid       = "ListLanding"
      actions   = ["s3:ListBucket"]
      resources = [local.bucket_arns.landing]

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${local.storage.landing}/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = length(each.value.reads) > 0 ? ["upstream"] : []

    content {
      sid       = "ReadUpstreamFiles"
      actions   = ["s3:GetObject"]
      resources = [for layer in each.value.reads : "${local.bucket_arns.lakehouse}/${layer}/*"]
    }
  }

  statement {
    sid = "ChangeOwnFiles"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = [for layer in each.value.writes : "${local.bucket_arns.lakehouse}/${layer}/*"]
  }

  statement {
    sid       = "ListTables"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.lakehouse]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for layer in concat(each.value.reads, each.value.writes) : "${layer}/*"]
    }
  }

  statement {
    sid     = "ReadCatalog"
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"]
    resources = concat(
      ["${local.glue_arn}:catalog"],
      [for layer in concat(each.value.reads, each.value.writes) : "${local.glue_arn}:database/${layer}"],
      [for layer in concat(each.value.reads, each.value.writes) : "${local.glue_arn}:table/${layer}/*"],
    )
  }

  statement {
    sid     = "ChangeOwnTables"
    actions = ["glue:CreateTable", "glue:UpdateTable"]
    resources = concat(
      ["${local.glue_arn}:catalog"],
      [for layer in each.value.writes : "${local.glue_arn}:database/${layer}"],
      [for layer in each.value.writes : "${local.glue_arn}:table/${layer}/*"],
    )
  }

  statement {
    sid     = "WriteLogs"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = concat(
      local.log_group_arns,
      ["${local.logs_arn}:log-group:/aws-glue/*"],
    )
  }

  statement {
    sid       = "WriteMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # metrics have no ARN

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Glue"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid       = "ReadConnections"
      actions   = ["glue:GetConnection"]
      resources = ["${local.glue_arn}:catalog", "${local.glue_arn}:connection/${var.name}-private-*"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid = "SeeNetwork"
      actions = [
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcEndpoints",
      ]
      resources = ["*"] # these have no ARN to name
    }
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid     = "JoinNetwork"
      actions = ["ec2:CreateNetworkInterface"]
      resources = concat(
        aws_subnet.private[*].arn,
        aws_security_group.glue[*].arn,
        ["arn:${local.partition}:ec2:${var.region}:${local.account}:network-interface/*"],
      )
    }
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid       = "TagNetworkInterfaces"
      actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
      resources = ["arn:${local.partition}:ec2:${var.region}:${local.account}:network-interface/*"]

      condition {
        test     = "ForAllValues:StringEquals"
        variable = "aws:TagKeys"
        values   = ["aws-glue-service-resource"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid       = "LeaveNetwork"
      actions   = ["ec2:DeleteNetworkInterface"]
      resources = ["arn:${local.partition}:ec2:${var.region}:${local.account}:network-interface/*"]

      condition {
        test     = "ArnEquals"
        variable = "ec2:Vpc"
        values   = aws_vpc.private[*].arn
      }
    }
  }
}

# Dagster: start, watch and stop just these jobs. It passes no role: the jobs have theirs.
data "aws_iam_policy_document" "orchestrator" {
  statement {
    sid = "RunJobs"
    actions = [
      "glue:BatchStopJobRun",
      "glue:GetJobRun",
      "glue:GetJobRuns",
      "glue:StartJobRun",
    ]
    resources = [for job in local.deployment.jobs : "${local.glue_arn}:job/${job.name}"]
  }

  statement {
    sid       = "Pipes"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.pipes}/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts, local.bucket_arns.landing]
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    resources = local.log_group_arns
  }

  statement {
    sid       = "ReadWebhook"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:${var.region}:${local.account}:secret:${local.secret_name}-??????"]
  }
}

resource "aws_iam_policy" "orchestrator" {
  name        = "${var.name}-orchestrator"
  description = "What Dagster may do: run the Glue jobs of ${var.name}."
  policy      = data.aws_iam_policy_document.orchestrator.json
}

# Who publishes releases: the pipeline of the code, or an engineer.
data "aws_iam_policy_document" "publisher" {
  statement {
    sid       = "Write"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.releases}/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]
  }
}

resource "aws_iam_policy" "publisher" {
  name        = "${var.name}-publisher"
  description = "Publish releases of ${var.name}."
  policy      = data.aws_iam_policy_document.publisher.json
}

# Who uploads deliveries; it looks at what is there to leave alone what has not changed.
data "aws_iam_policy_document" "uploader" {
  statement {
    sid       = "Write"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.landing}/${local.storage.landing}/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.landing]
  }
}

resource "aws_iam_policy" "uploader" {
  name        = "${var.name}-uploader"
  description = "Upload deliveries of ${var.name}."
  policy      = data.aws_iam_policy_document.uploader.json
}

# Analysts: gold, and only through the workgroup with its limit.
data "aws_iam_policy_document" "analyst" {
  statement {
    sid = "Query"
    actions = [
      "athena:BatchGetNamedQuery",
      "athena:GetNamedQuery",
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetWorkGroup",
      "athena:ListNamedQueries",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = ["arn:${local.partition}:athena:${var.region}:${local.account}:workgroup/${local.deployment.athena.workgroup}"]
  }

  statement {
    sid     = "ReadGoldCatalog"
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"]
    resources = [
      "${local.glue_arn}:catalog",
      "${local.glue_arn}:database/default", # Athena looks there for a query that names no database
      "${local.glue_arn}:database/gold",
      "${local.glue_arn}:table/gold/*",
    ]
  }

  statement {
    sid       = "ReadGoldFiles"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns.lakehouse}/gold/*"]
  }

  statement {
    sid       = "ListGoldFiles"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.lakehouse]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["gold/*"]
    }
  }

  statement {
    sid       = "FindGold"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arns.lakehouse]
  }

  statement {
    sid       = "Results"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.results}/${local.storage.query_results}/*"]
  }

  statement {
    sid       = "FindResults"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [local.bucket_arns.results]
  }
}

resource "aws_iam_policy" "analyst" {
  name        = "${var.name}-analyst"
  description = "Query the gold tables of ${var.name} through its workgroup."
  policy      = data.aws_iam_policy_document.analyst.json
}

# A GitHub repository's workflow on its main branch publishes releases, by OIDC, without a key.
resource "aws_iam_openid_connect_provider" "github" {
  count          = var.github_repository != null && var.create_github_oidc_provider ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "assumed_by_github" {
  #checkov:skip=CKV_AWS_358:The claim is matched whole, to one environment of one repository, which is a variable
  count = var.github_repository == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = ["arn:${local.partition}:iam::${local.account}:oidc-provider/token.actions.githubusercontent.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:production"]
    }
  }
}

resource "aws_iam_role" "github" {
  count              = var.github_repository == null ? 0 : 1
  name               = "${var.name}-github"
  description        = "Publishes releases from ${var.github_repository}."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_github[0].json
  depends_on         = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github" {
  count      = var.github_repository == null ? 0 : 1
  role       = aws_iam_role.github[0].name
  policy_arn = aws_iam_policy.publisher.arn
}
