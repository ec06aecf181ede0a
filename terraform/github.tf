# GitHub's workflows, by OIDC, without a key: one publishes releases and images, one plans changes for
# pull requests and of the main branch. That the first runs on the main branch is up to its environment's protection rules in
# the repository.

locals {
  # By role: the subjects of the workflows that assume it. Who plans for pull requests looks for drift
  # on the main branch as well.
  github_subjects = {
    for role, subjects in {
      github      = var.github_subject[*]
      github-plan = flatten([for subject in var.github_plan_subject[*] : [subject, replace(subject, ":pull_request", ":ref:refs/heads/main")]])
    } : role => subjects if length(subjects) > 0
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = length(local.github_subjects) > 0 && var.create_github_oidc_provider ? 1 : 0
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "assumed_by_github" {
  #checkov:skip=CKV_AWS_358:The claim is matched whole, to one environment, the pull requests or the main branch of one repository, which is a variable
  for_each = local.github_subjects

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
      values   = each.value
    }
  }
}

moved {
  from = aws_iam_role.github[0]
  to   = aws_iam_role.github["github"]
}

resource "aws_iam_role" "github" {
  for_each           = local.github_subjects
  name               = "${local.name}-${each.key}"
  description        = each.key == "github" ? "Publishes releases from GitHub." : "Plans changes on GitHub."
  assume_role_policy = data.aws_iam_policy_document.assumed_by_github[each.key].json
  depends_on         = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy_attachment" "github" {
  count      = var.github_subject == null ? 0 : 1
  role       = aws_iam_role.github["github"].name
  policy_arn = aws_iam_policy.publisher.arn
}

# Who plans sees how things are set up, and no object of any bucket but the state's and the script that
# Terraform itself puts there. AWS's own policy
# for auditors lacks some of what Terraform looks at.
resource "aws_iam_role_policy_attachment" "github_plan" {
  count      = var.github_plan_subject == null ? 0 : 1
  role       = aws_iam_role.github["github-plan"].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/SecurityAudit"
}

data "aws_iam_policy_document" "github_plan" {
  statement {
    sid = "LookAtSettings"
    actions = [
      "athena:GetNamedQuery",
      "athena:GetWorkGroup",
      "athena:ListTagsForResource",
      "budgets:ListTagsForResource",
      "budgets:ViewBudget",
      "glue:GetConnection",
      "glue:GetDatabase",
      "glue:GetJob",
      "glue:GetTags",
      "sns:GetSubscriptionAttributes",
      "sns:GetTopicAttributes",
      "sns:ListTagsForResource",
    ]
    resources = concat(
      [for service in ["athena", "glue", "sns"] : "arn:${local.partition}:${service}:${var.region}:${local.account}:*"],
      ["arn:${local.partition}:budgets::${local.account}:budget/*"],
    )
  }

  statement {
    sid       = "FindBuckets"
    actions   = ["s3:ListBucket"]
    resources = values(local.bucket_arns)
  }

  statement {
    sid       = "LookAtScript"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = ["${local.bucket_arns.artifacts}/${local.no_release}"]
  }

  # Terraform reads them for each plan, and keeps them in the state.
  dynamic "statement" {
    for_each = length(local.clients) > 0 ? ["clients"] : []

    content {
      sid       = "ReadSignIn"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [for secret in data.aws_secretsmanager_secret_version.sign_in : secret.arn]
    }
  }

  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${coalesce(var.state_bucket, "none")}/*"]
  }

  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${coalesce(var.state_bucket, "none")}"]
  }
}

resource "aws_iam_role_policy" "github_plan" {
  count  = var.github_plan_subject == null ? 0 : 1
  name   = "state"
  role   = aws_iam_role.github["github-plan"].id
  policy = data.aws_iam_policy_document.github_plan.json
}
