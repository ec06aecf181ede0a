# One role a job, which can do what its layer needs.

# Without a condition: no documentation says that Glue sends aws:SourceAccount when it assumes a
# job's role, and a condition on a key that is not sent is never true.
data "aws_iam_policy_document" "assumed_by_glue" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "job" {
  for_each           = local.jobs
  name               = "${local.name}-glue-${each.key}"
  description        = "Glue job ${each.value.name}."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_glue.json
}

resource "aws_iam_role_policy" "job" {
  for_each = local.jobs
  name     = "job"
  role     = aws_iam_role.job[each.key].id
  policy   = data.aws_iam_policy_document.job[each.key].json
}

locals {
  change_files = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
  ]

  log_group_arns = [for name in local.log_groups : "${local.logs_arn}:log-group:${name}:*"]
}

data "aws_iam_policy_document" "job" {
  for_each = local.jobs

  # And a script that says that no release was named. Dagster can write to neither place.
  statement {
    sid     = "ReadReleases"
    actions = ["s3:GetObject"]
    resources = [
      "${local.bucket_arns.artifacts}/${local.storage.releases}/*",
      "${local.bucket_arns.artifacts}/${local.no_release}",
    ]
  }

  statement {
    sid       = "Report"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.pipes}/${each.key}/*"]
  }

  # Glue copies Spark's events there while a job runs.
  statement {
    sid       = "WriteSparkEvents"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.spark_events}/${each.key}/*"]
  }

  statement {
    sid       = "ListArtifacts"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.storage.releases}/*"]
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
    sid       = "ChangeOwnFiles"
    actions   = local.change_files
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
      [for layer in concat(each.value.reads, each.value.writes) : "${local.glue_arn}:database/${local.databases[layer]}"],
      [for layer in concat(each.value.reads, each.value.writes) : "${local.glue_arn}:table/${local.databases[layer]}/*"],
    )
  }

  # Spark may look whether these are there; nothing is in them.
  statement {
    sid     = "LookForSparksDatabases"
    actions = ["glue:GetDatabase"]
    resources = concat(
      ["${local.glue_arn}:catalog"],
      [for name in ["default", "global_temp"] : "${local.glue_arn}:database/${name}"],
    )
  }

  statement {
    sid     = "ChangeOwnTables"
    actions = ["glue:CreateTable", "glue:UpdateTable"]
    resources = concat(
      ["${local.glue_arn}:catalog"],
      [for layer in each.value.writes : "${local.glue_arn}:database/${local.databases[layer]}"],
      [for layer in each.value.writes : "${local.glue_arn}:table/${local.databases[layer]}/*"],
    )
  }

  statement {
    sid     = "WriteLogs"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = concat(
      local.log_group_arns,
      ["${local.logs_arn}:log-group:/aws-glue/*"],
    )
  }

  dynamic "statement" {
    for_each = var.enable_vpc ? ["vpc"] : []

    content {
      sid       = "ReadConnections"
      actions   = ["glue:GetConnection"]
      resources = ["${local.glue_arn}:catalog", "${local.glue_arn}:connection/${local.name}-private-*"]
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
