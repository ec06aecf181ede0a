variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "eu-central-1"
}

variable "account_id" {
  description = "The only account in which this may be deployed; by default, that of whoever deploys."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account has twelve digits."
  }
}

variable "environment" {
  description = "Name of this environment, before the names of its databases, jobs, buckets and everything else: several live side by side in an account, and with what is there already, like a database named gold. Empty for none."
  type        = string
  default     = "prod"

  validation {
    condition     = can(regex("^([a-z][a-z0-9]{0,9})?$", var.environment))
    error_message = "The environment must be a small letter and up to nine small letters or digits, like prod, or empty."
  }

  # Each environment has a state of its own; without this, one would be turned into another.
  validation {
    condition     = contains(["default", var.environment], terraform.workspace)
    error_message = "The workspace is of another environment: `terraform workspace select`, or `make deploy ENVIRONMENT=...`, which does it."
  }

  validation {
    condition     = length(var.environment) + length(var.name) <= 24
    error_message = "Environment and name together must have at most 24 characters: they are part of buckets' names."
  }
}

variable "name" {
  description = "Prefix of bucket, role and policy names, after the environment, and with it the value of the tag Project."
  type        = string
  default     = "ecommerce"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) >= 2 && length(var.name) <= 21
    error_message = "The name must be 2 to 21 small letters, digits and single hyphens between them, a letter first."
  }
}

variable "tags" {
  description = "Further tags of every resource."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for text in flatten([keys(var.tags), values(var.tags)]) : can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*$", text))])
    error_message = "Tags may have letters, digits, white space and _ . : / = + - @ only: S3 takes no other."
  }

  validation {
    condition     = length(var.tags) <= 8
    error_message = "An object on S3 has ten tags at most, and two are Project and ManagedBy."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` removes buckets that hold data. For trials only."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that the jobs' logs are kept."
  type        = number
  default     = 30
}

variable "landing_retention_days" {
  description = "Days that deliveries are kept, and a day more until S3 has let them go; null forever. What is replaced or deleted meanwhile goes a day later as well. The tables keep what was read from older ones, but can't be rebuilt from them."
  type        = number
  default     = null
}

variable "snapshot_retention_days" {
  description = "Days that maintenance keeps the tables' snapshots for time travel."
  type        = number
  default     = 7
}

variable "landing_versions_days" {
  description = "Days that replaced and deleted deliveries and releases can be had back; a day where landing_retention_days is set."
  type        = number
  default     = 90
}

variable "alert_email" {
  description = "Address that gets failed jobs and the budget's alerts; null for none."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "Monthly cost of the account, or of what bears this project's tag (budget_tag_only), above which an alert is sent."
  type        = number
  default     = 25
}

variable "watch_daily_runs" {
  description = "Whether an alarm tells that no run has published gold for 26 hours. By default, where Dagster runs on AWS; true if something else runs daily, like a schedule of GitHub or a laptop. It is in alarm until the first run."
  type        = bool
  default     = null
}

variable "enable_vpc" {
  description = "Whether jobs run in private subnets without a way to the internet."
  type        = bool
  default     = false
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, if there is one."
  type        = string
  default     = "10.42.0.0/20"

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0))
    error_message = "The VPC's addresses must be a CIDR block like 10.42.0.0/20."
  }
}

variable "github_subject" {
  description = <<-EOT
    Subject of the GitHub workflow that may publish releases, as its token names it; null for none.
    `repo:OWNER/NAME:environment:production`; for a repository created, renamed or transferred since
    2026-07-15, with ids: `repo:OWNER@OWNER_ID/NAME@REPOSITORY_ID:environment:production`. The
    repository's settings show it under Actions, OIDC.
  EOT
  type        = string
  default     = null

  validation {
    condition     = var.github_subject == null || can(regex("^repo:[\\w.-]+(@\\d+)?/[\\w.-]+(@\\d+)?:environment:[\\w.-]+$", var.github_subject))
    error_message = "The subject must be like repo:owner/name:environment:production, with ids for newer repositories."
  }
}

variable "enable_dagster" {
  description = "Whether Dagster runs on AWS as well: webserver, daemon and code server in a task of ECS, with a database. Some 56 USD a month in eu-central-1."
  type        = bool
  default     = false
}

variable "dagster_image" {
  description = "Dagster's image by its digest, as `make image` prints it: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:... . Null until it has been pushed: everything is there then, and nothing runs."
  type        = string
  default     = null

  validation {
    condition     = var.dagster_image == null || can(regex("@sha256:[0-9a-f]{64}$", var.dagster_image))
    error_message = "The image must be named by its digest: ...@sha256:..., so that what runs is what was built."
  }
}

variable "pipeline_settings" {
  description = "Further settings of the pipeline, like { ECOMMERCE_START_DATE = \"2024-01-01\", ECOMMERCE_SHOP = \"shopify\" }: in .env, and for Dagster on AWS."
  type        = map(string)
  default     = {}
}

variable "github_plan_subject" {
  description = "Subject of the GitHub workflow that may plan changes for pull requests, like repo:OWNER/NAME:pull_request (with ids for newer repositories), and look for drift on the main branch; null for none. Its role reads how things are set up, the state, and the clients' secrets of dagster_sign_in, which are in the state as well; and no data."
  type        = string
  default     = null

  validation {
    condition     = var.github_plan_subject == null || can(regex("^repo:[\\w.-]+(@\\d+)?/[\\w.-]+(@\\d+)?:pull_request$", var.github_plan_subject))
    error_message = "The subject must be like repo:owner/name:pull_request, with ids for newer repositories."
  }
}

variable "state_bucket" {
  description = "Bucket of Terraform's state, which the workflow that plans has to read; null without one."
  type        = string
  default     = null
}

variable "dagster_url" {
  description = "Address of Dagster's UI, for links in alerts and dashboards; by default that of dagster_sign_in, or the end of a port forwarding."
  type        = string
  default     = null
}

variable "dagster_sign_in" {
  description = <<-EOT
    The UI behind an internal load balancer that lets in who signs in with the shop's own identity provider, by OIDC;
    null for none: then the UI is reached by port forwarding only. Open-source Dagster has no sign-in of its own.
    The client's secret is read from Secrets Manager (client_secret_id), so that it is in no variable. `viewers` is
    the address and the client of those who may look at everything and change nothing; the identity provider says
    who may use which of the two, and the certificate names both domains. It prevents mistakes: AWS does not say
    whether its load balancer refuses the cookie of one address at the other.
  EOT
  type = object({
    domain                 = string
    certificate_arn        = string
    from_cidrs             = list(string)
    issuer                 = string
    authorization_endpoint = string
    token_endpoint         = string
    user_info_endpoint     = string
    client_id              = string
    client_secret_id       = string
    viewers                = optional(object({ domain = string, client_id = string, client_secret_id = string }))
  })
  default = null

  validation {
    condition = try(var.dagster_sign_in.viewers, null) == null ? true : alltrue([
      for name in ["domain", "client_id"] : var.dagster_sign_in.viewers[name] != var.dagster_sign_in[name]
    ])
    error_message = "Who may only look needs a domain and a client other than those of who may run things: they are what tells them apart."
  }
}

variable "dagster_private_subnets" {
  description = "Whether Dagster's tasks have no public address and go out by a NAT gateway, for some 37 USD a month. By default with dagster_sign_in, whose load balancer needs it. Without, tasks have an address, and their group lets nobody in."
  type        = bool
  default     = null

  validation {
    condition     = !(var.dagster_private_subnets == false && var.dagster_sign_in != null)
    error_message = "With dagster_sign_in, the subnets are private: an internal load balancer reaches the identity provider by the NAT gateway only."
  }
}

variable "dagster_database_class" {
  description = "Instance class of Dagster's database. Signing in by IAM takes 300 MiB and more of its memory, which a micro one does not have."
  type        = string
  default     = "db.t4g.small"
}

variable "record_object_access" {
  description = "Whether CloudTrail records who read and wrote which object of the buckets. Costs by their number."
  type        = bool
  default     = false
}

variable "alarm_scanned_gigabytes" {
  description = "Gigabytes that the queries of a workgroup may read in a day before an alarm."
  type        = number
  default     = 100
}

variable "budget_tag_only" {
  description = "Whether the budget counts only what bears the tag Project. Somebody has to activate the tag for cost allocation first, in the payer's billing console; until then, it would count nothing."
  type        = bool
  default     = false
}

variable "create_github_oidc_provider" {
  description = "Whether to create GitHub's identity provider; an account can have only one."
  type        = bool
  default     = true
}
