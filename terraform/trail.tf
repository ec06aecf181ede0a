# Optional: who read and wrote which object of the buckets (`record_object_access`). CloudTrail records
# that only if it is asked to, for 0.10 USD per 100,000 of them.

locals {
  trail_count = var.record_object_access ? 1 : 0
  trail_store = "arn:${local.partition}:s3:::${local.name}-${local.account}-${var.region}-trail"
  trail_arn   = "arn:${local.partition}:cloudtrail:${var.region}:${local.account}:trail/${local.name}-objects"
}

data "aws_iam_policy_document" "trail" {
  statement {
    sid       = "TrailLooks"
    actions   = ["s3:GetBucketAcl"]
    resources = [local.trail_store]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }

  statement {
    sid       = "TrailWrites"
    actions   = ["s3:PutObject"]
    resources = ["${local.trail_store}/AWSLogs/${local.account}/*"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
}

resource "aws_cloudtrail" "objects" {
  #checkov:skip=CKV_AWS_35:Encrypted by S3; the records name objects and identities, and hold no data
  #checkov:skip=CKV_AWS_67:The buckets are in one region
  #checkov:skip=CKV_AWS_252:Nobody waits for each file of records
  #checkov:skip=CKV2_AWS_10:Records are searched with Athena when there is a question, and need no log group
  count                         = local.trail_count
  name                          = "${local.name}-objects"
  s3_bucket_name                = local.bucket_names.trail
  include_global_service_events = false
  enable_log_file_validation    = true

  event_selector {
    include_management_events = false

    data_resource {
      type   = "AWS::S3::Object"
      values = [for key, arn in local.bucket_arns : "${arn}/" if key != "trail"]
    }
  }

  depends_on = [aws_s3_bucket_policy.this]
}
