# Jobs in private subnets: no way out but the endpoints.
# Plans only: nothing is created, no account is asked, with the real provider as with a stand-in.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "123456789012" }
}

override_data {
  target = data.aws_partition.current
  values = { partition = "aws" }
}

override_data {
  target = data.aws_availability_zones.available
  values = { names = ["zone-a", "zone-b", "zone-c"] }
}

variables {
  enable_vpc = true
}

run "vpc" {
  command = plan

  assert {
    condition     = length(aws_subnet.private) == 2 && alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch != true])
    error_message = "Two private subnets."
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.this : length(job.connections) == 2])
    error_message = "Every job runs in the VPC."
  }

  assert {
    condition     = alltrue([for endpoint in concat(aws_vpc_endpoint.s3, values(aws_vpc_endpoint.interface)) : jsondecode(endpoint.policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"])
    error_message = "Endpoints serve this account alone."
  }

  assert {
    condition     = anytrue([for statement in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : statement.Effect == "Deny" && contains(flatten([statement.Action]), "s3:PutObject") && try(statement.Condition.StringNotEquals["aws:ResourceAccount"], "") == "123456789012"])
    error_message = "Nothing is written to another account's bucket."
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && toset(keys(aws_vpc_endpoint.interface)) == toset(["glue", "logs", "monitoring", "sts"])
    error_message = "S3 by its gateway, the services by interface endpoints."
  }

  assert {
    condition     = alltrue([for rule in concat(aws_vpc_security_group_egress_rule.workers, aws_vpc_security_group_egress_rule.endpoints, aws_vpc_security_group_egress_rule.s3) : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "Nothing may go to an address range."
  }

  assert {
    condition     = alltrue([for name in keys(local.jobs) : anytrue([for statement in data.aws_iam_policy_document.job[name].statement : statement.sid == "JoinNetwork"])])
    error_message = "Every job's role may join the network."
  }
}

run "a_wrong_network" {
  command = plan

  variables {
    vpc_cidr = "10.42.0.0"
  }

  expect_failures = [var.vpc_cidr]
}

# The endpoints' private names hold for the whole VPC, so Dagster's tasks come to them as well.
run "with_dagster" {
  command = plan

  variables {
    enable_dagster = true
  }

  override_resource {
    target = aws_db_instance.dagster
    values = {
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1", kms_key_id = "", secret_status = "active" }]
    }
    override_during = plan
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.dagster_to_endpoints[0].from_port == 443 && aws_vpc_security_group_ingress_rule.dagster_to_endpoints[0].cidr_ipv4 == null
    error_message = "Dagster reaches AWS by the endpoints of the jobs."
  }
}
