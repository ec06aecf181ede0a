# Four buckets: deliveries, tables, what jobs run and tell, and results: Athena's, and the dashboard.

locals {
  buckets = merge({
    landing   = "deliveries of the shop"
    lakehouse = "Iceberg tables"
    artifacts = "releases of the job code and messages between Dagster and the jobs"
    results   = "results of queries in Athena and the dashboard"
  }, var.record_object_access ? { trail = "who read and wrote which object" } : {})
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Who reads what is CloudTrail's to record (record_object_access)
  #checkov:skip=CKV_AWS_21:Deliveries are versioned; tables keep their own snapshots, the rest is made anew
  #checkov:skip=CKV_AWS_144:Tables are a function of the deliveries; a second region is the owner's decision
  #checkov:skip=CKV_AWS_145:SSE-S3: no key to pay, rotate or lose; the account has no other tenants
  #checkov:skip=CKV2_AWS_6:aws_s3_bucket_public_access_block.this blocks each of them; its for_each is not followed
  #checkov:skip=CKV2_AWS_61:aws_s3_bucket_lifecycle_configuration.this has rules for each; its for_each is not followed
  #checkov:skip=CKV2_AWS_62:Dagster's sensor looks for deliveries; nothing listens to events
  for_each      = local.buckets
  bucket        = local.bucket_names[each.key]
  force_destroy = var.force_destroy

  # Destroyed before the catalog: a bucket that is full refuses, and then the tables are still known.
  depends_on = [aws_glue_catalog_database.layer]
  tags       = { Purpose = each.value }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# A release is written once: who runs it knows that it is what was published.
data "aws_iam_policy_document" "write_once" {
  statement {
    sid       = "ReleasesAreWrittenOnce"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns.artifacts}/${local.storage.releases}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.buckets

  source_policy_documents = concat(
    [data.aws_iam_policy_document.tls_only[each.key].json],
    each.key == "artifacts" ? [data.aws_iam_policy_document.write_once.json] : [],
    each.key == "trail" ? [data.aws_iam_policy_document.trail.json] : [],
  )
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arns[each.key], "${local.bucket_arns[each.key]}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

moved {
  from = aws_s3_bucket_policy.tls_only
  to   = aws_s3_bucket_policy.this
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  policy   = data.aws_iam_policy_document.bucket[each.key].json
}

moved {
  from = aws_s3_bucket_versioning.landing
  to   = aws_s3_bucket_versioning.this["landing"]
}

# A delivery or a release that was overwritten or removed by mistake can be had back.
resource "aws_s3_bucket_versioning" "this" {
  for_each = toset(["landing", "artifacts"])
  bucket   = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

locals {
  # By bucket: prefixes whose objects go after so many days.
  expiry_days = {
    landing   = var.landing_retention_days == null ? {} : { "${local.storage.landing}/" = var.landing_retention_days }
    lakehouse = {}
    # Releases stay: their age does not tell whether Dagster still runs with one, and they are small.
    artifacts = { "${local.storage.pipes}/" = 14, "${local.storage.spark_events}/" = 14, "compute-logs/" = var.log_retention_days }
    results   = { "${local.storage.query_results}/" = 14 }
    trail     = { "AWSLogs/" = 400 }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    id     = "incomplete-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  dynamic "rule" {
    for_each = local.expiry_days[each.key]

    content {
      id     = "expire-${trimsuffix(rule.key, "/")}"
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }

      # In a bucket with versions, what has expired is only hidden until this is over as well.
      dynamic "noncurrent_version_expiration" {
        for_each = contains(["landing", "artifacts"], each.key) ? [1] : []

        content {
          noncurrent_days = noncurrent_version_expiration.value
        }
      }
    }
  }

  dynamic "rule" {
    for_each = contains(["landing", "artifacts"], each.key) ? [var.landing_versions_days] : []

    content {
      id     = "replaced-objects"
      status = "Enabled"
      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }
}
