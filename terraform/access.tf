# Policies for people and what works for them: Dagster, publishers, uploaders, readers.

# Dagster's sensors: what has landed, and where alerts go.
data "aws_iam_policy_document" "sensors" {
  statement {
    sid       = "ListLanding"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.landing]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.storage.landing}/*"]
    }
  }

  # To describe it as well: a secret without a value looks like one that is not there.
  statement {
    sid       = "ReadWebhook"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    resources = ["arn:${local.partition}:secretsmanager:${var.region}:${local.account}:secret:${local.secret_name}-??????"]
  }
}

# Dagster: start, watch and stop just these jobs, which have roles of their own. A start may name
# another script; the jobs' roles can read one only from the releases. Dagster writes no code that they
# read.
data "aws_iam_policy_document" "orchestrator" {
  source_policy_documents = [data.aws_iam_policy_document.sensors.json]

  statement {
    sid = "RunJobs"
    actions = [
      "glue:BatchStopJobRun",
      "glue:GetJobRun",
      "glue:GetJobRuns",
      "glue:StartJobRun",
    ]
    resources = [for job in local.jobs : "${local.glue_arn}:job/${job.name}"]
  }

  statement {
    sid       = "ReadReports"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.pipes}/*"]
  }

  # By its checksum, Dagster sees that a release is its own code before it has it run.
  statement {
    sid       = "LookAtReleases"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.releases}/*"]
  }

  # Without a condition: a message that is not there yet must be missing, and not forbidden.
  statement {
    sid       = "ListArtifacts"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]
  }

  statement {
    sid       = "ReadLogs"
    actions   = ["logs:DescribeLogStreams", "logs:GetLogEvents"]
    resources = local.log_group_arns
  }
}

resource "aws_iam_policy" "orchestrator" {
  name        = "${local.name}-orchestrator"
  description = "What Dagster may do: run the Glue jobs of ${local.name}."
  policy      = data.aws_iam_policy_document.orchestrator.json
}

# Dagster, where it computes the tables itself (ECOMMERCE_ENGINE = duckdb): what the jobs' roles may do
# together, without Glue.
data "aws_iam_policy_document" "embedded" {
  statement {
    sid       = "ReadLanding"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns.landing}/${local.storage.landing}/*"]
  }

  statement {
    sid       = "ChangeFiles"
    actions   = local.change_files
    resources = [for layer in local.layers : "${local.bucket_arns.lakehouse}/${layer}/*"]
  }

  statement {
    sid       = "ListTables"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.lakehouse]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for layer in local.layers : "${layer}/*"]
    }
  }

  statement {
    sid     = "ChangeTables"
    actions = ["glue:CreateTable", "glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"]
    resources = concat(
      ["${local.glue_arn}:catalog"],
      [for layer in local.layers : "${local.glue_arn}:database/${local.databases[layer]}"],
      [for layer in local.layers : "${local.glue_arn}:table/${local.databases[layer]}/*"],
    )
  }
}

resource "aws_iam_policy" "embedded" {
  name        = "${local.name}-embedded"
  description = "What Dagster may do as well where it computes the tables of ${local.name} itself."
  policy      = data.aws_iam_policy_document.embedded.json
}

# Who publishes releases: the pipeline of the code, or an engineer.
data "aws_iam_policy_document" "publisher" {
  statement {
    sid       = "Write" # reading, to see that what is there is what was built
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.releases}/*"]
  }

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.artifacts]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.storage.releases}/*"]
    }
  }

  # Dagster's image, whose tags are never given again.
  dynamic "statement" {
    for_each = var.enable_dagster ? ["image"] : []

    content {
      sid       = "SignInToRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"] # it takes no resource
    }
  }

  dynamic "statement" {
    for_each = var.enable_dagster ? ["image"] : []

    content {
      sid = "PushImage"
      actions = [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
      ]
      resources = [local.repository_arn]
    }
  }
}

resource "aws_iam_policy" "publisher" {
  name        = "${local.name}-publisher"
  description = "Publish releases of ${local.name}."
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

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.storage.landing}/*"]
    }
  }
}

resource "aws_iam_policy" "uploader" {
  name        = "${local.name}-uploader"
  description = "Upload deliveries of ${local.name}."
  policy      = data.aws_iam_policy_document.uploader.json
}

# Who reads tables, and only through a workgroup of its own with its limit: analysts gold, and Dagster
# what it makes the dashboard from. Results lie apart, since they hold what was read.
locals {
  readers = {
    analyst   = ["gold"]
    dashboard = local.jobs.maintenance.writes
  }
}

data "aws_iam_policy_document" "reader" {
  for_each = local.readers

  statement {
    sid = "Query"
    actions = [
      "athena:BatchGetNamedQuery",
      "athena:BatchGetQueryExecution",
      "athena:GetNamedQuery",
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetQueryResultsStream", # the drivers of JDBC and ODBC, on port 444
      "athena:GetWorkGroup",
      "athena:GetQueryRuntimeStatistics",
      "athena:ListNamedQueries",
      "athena:ListQueryExecutions",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = ["arn:${local.partition}:athena:${var.region}:${local.account}:workgroup/${local.workgroups[each.key]}"]
  }

  # Athena's console and its drivers browse. The first three actions take no resource.
  statement {
    sid = "Browse"
    actions = [
      "athena:ListDataCatalogs",
      "athena:ListEngineVersions",
      "athena:ListWorkGroups",
    ]
    resources = ["*"]
  }

  statement {
    sid = "BrowseCatalog"
    actions = [
      "athena:GetDatabase",
      "athena:GetTableMetadata",
      "athena:ListDatabases",
      "athena:ListTableMetadata",
    ]
    resources = ["arn:${local.partition}:athena:${var.region}:${local.account}:datacatalog/AwsDataCatalog"]
  }

  statement {
    # The list of databases is that of all their names, or it is refused.
    sid       = "ListDatabases"
    actions   = ["glue:GetDatabases"]
    resources = ["${local.glue_arn}:catalog", "${local.glue_arn}:database/*"]
  }

  statement {
    sid     = "ReadCatalog"
    actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables"]
    resources = concat(
      # Athena looks at the default database for a query that names none.
      ["${local.glue_arn}:catalog", "${local.glue_arn}:database/default"],
      flatten([for layer in each.value : ["${local.glue_arn}:database/${local.databases[layer]}", "${local.glue_arn}:table/${local.databases[layer]}/*"]]),
    )
  }

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject"]
    resources = [for layer in each.value : "${local.bucket_arns.lakehouse}/${layer}/*"]
  }

  statement {
    sid       = "ListFiles"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns.lakehouse]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for layer in each.value : "${layer}/*"]
    }
  }

  statement {
    sid       = "FindTables"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arns.lakehouse]
  }

  statement {
    sid       = "Results"
    actions   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns.results}/${local.storage.query_results}/${each.key}/*"]
  }

  statement {
    sid       = "FindResults"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [local.bucket_arns.results]
  }

  # It holds no personal data. Reading, for a link as well.
  statement {
    sid       = "Dashboard"
    actions   = concat(["s3:GetObject"], each.key == "dashboard" ? ["s3:AbortMultipartUpload", "s3:PutObject"] : [])
    resources = ["${local.bucket_arns.results}/${local.storage.dashboard}/*"]
  }
}

moved {
  from = aws_iam_policy.analyst
  to   = aws_iam_policy.reader["analyst"]
}

resource "aws_iam_policy" "reader" {
  for_each    = local.readers
  name        = "${local.name}-${each.key}"
  description = "Query the ${join(", ", each.value)} tables of ${local.name} through its workgroup."
  policy      = data.aws_iam_policy_document.reader[each.key].json
}
