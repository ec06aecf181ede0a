# Optional: jobs in private subnets (`enable_vpc`). No way to the internet: S3 by its gateway, the
# services that jobs need by interface endpoints. And subnets of their own for Dagster (`enable_dagster`),
# which reaches AWS and the chat's webhook by an internet gateway, or where it is to have no public
# address (`dagster_private_subnets`), by a NAT gateway as well.

locals {
  vpc_count     = var.enable_vpc || var.enable_dagster ? 1 : 0
  all_zones     = local.vpc_count > 0 ? slice(data.aws_availability_zones.available[0].names, 0, 2) : []
  zones         = var.enable_vpc ? local.all_zones : []
  dagster_zones = var.enable_dagster ? local.all_zones : []
  jobs_count    = var.enable_vpc ? 1 : 0
  dagster_count = var.enable_dagster ? 1 : 0
  nat_count     = var.enable_dagster && local.dagster_private ? 1 : 0

  # An internal load balancer asks the identity provider from a private address, so it needs the NAT gateway.
  dagster_private = coalesce(var.dagster_private_subnets, var.dagster_sign_in != null)

  endpoints = var.enable_vpc ? toset(["glue", "logs", "monitoring", "sts"]) : toset([])
}

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:The first two by name are taken; which they are shows in the plan
  count = local.vpc_count
  state = "available"

  # Not those for which somebody opted in: local zones have no endpoints.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "private" {
  #checkov:skip=CKV2_AWS_11:Nothing comes in, and what goes out is AWS and the webhook; flow logs would record only that
  count                = local.vpc_count
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = local.name }
}

# The group that AWS makes by itself lets all its members talk; without rules it lets nobody.
resource "aws_default_security_group" "closed" {
  count  = local.vpc_count
  vpc_id = aws_vpc.private[0].id
}

resource "aws_subnet" "private" {
  count             = length(local.zones)
  vpc_id            = aws_vpc.private[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, count.index)
  availability_zone = local.zones[count.index]
  tags              = { Name = "${local.name}-private-${local.zones[count.index]}" }
}

resource "aws_route_table" "private" {
  count  = local.jobs_count
  vpc_id = aws_vpc.private[0].id
  tags   = { Name = "${local.name}-private" }
}

resource "aws_route_table_association" "private" {
  count          = length(local.zones)
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
}

# The jobs' own account and nobody else's; and nothing is written to another account's bucket. AWS's
# own buckets, from which Glue starts its jobs, can be read.
data "aws_iam_policy_document" "endpoint" {
  #checkov:skip=CKV_AWS_1:An endpoint's policy grants nothing; it limits what the roles' policies grant
  #checkov:skip=CKV_AWS_49:As above
  statement {
    sid       = "OwnAccount"
    actions   = ["*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "s3_endpoint" {
  #checkov:skip=CKV_AWS_283:An endpoint's policy grants nothing; it limits what the roles' policies grant
  source_policy_documents = [data.aws_iam_policy_document.endpoint.json]

  # ECR keeps images' layers in a bucket of its own, and signs their downloads itself.
  statement {
    sid       = "ImageLayers"
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::prod-${var.region}-starport-layer-bucket/*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "NothingLeaves"
    effect    = "Deny"
    actions   = ["s3:PutObject", "s3:PutObjectAcl"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "aws:ResourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  count             = local.vpc_count
  vpc_id            = aws_vpc.private[0].id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  policy            = data.aws_iam_policy_document.s3_endpoint.json
  route_table_ids   = concat(aws_route_table.private[*].id, aws_route_table.dagster[*].id)
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = local.endpoints
  vpc_id              = aws_vpc.private[0].id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  policy              = data.aws_iam_policy_document.endpoint.json
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = aws_security_group.endpoints[*].id
}

resource "aws_security_group" "glue" {
  #checkov:skip=CKV2_AWS_5:Attached by aws_glue_connection.private, which is not looked at
  count       = local.jobs_count
  name        = "${local.name}-glue"
  description = "Workers of the Glue jobs."
  vpc_id      = aws_vpc.private[0].id
}

resource "aws_security_group" "endpoints" {
  count       = local.jobs_count
  name        = "${local.name}-endpoints"
  description = "Interface endpoints, reached by the Glue jobs."
  vpc_id      = aws_vpc.private[0].id
}

resource "aws_vpc_security_group_ingress_rule" "workers" {
  count                        = local.jobs_count
  description                  = "Workers of a job talk to each other; Glue demands all ports."
  security_group_id            = aws_security_group.glue[0].id
  referenced_security_group_id = aws_security_group.glue[0].id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  count                        = local.jobs_count
  description                  = "Workers of a job talk to each other."
  security_group_id            = aws_security_group.glue[0].id
  referenced_security_group_id = aws_security_group.glue[0].id
  ip_protocol                  = "tcp"
  from_port                    = 0
  to_port                      = 65535
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  count                        = local.jobs_count
  description                  = "Jobs call AWS."
  security_group_id            = aws_security_group.glue[0].id
  referenced_security_group_id = aws_security_group.endpoints[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  count             = local.jobs_count
  description       = "Jobs read and write S3."
  security_group_id = aws_security_group.glue[0].id
  prefix_list_id    = aws_vpc_endpoint.s3[0].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count                        = local.jobs_count
  description                  = "Jobs call AWS."
  security_group_id            = aws_security_group.endpoints[0].id
  referenced_security_group_id = aws_security_group.glue[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# The endpoints' private names hold for the whole VPC, so Dagster's tasks come to them as well.
resource "aws_vpc_security_group_ingress_rule" "dagster_to_endpoints" {
  count                        = var.enable_vpc && var.enable_dagster ? 1 : 0
  description                  = "Tasks of Dagster call AWS."
  security_group_id            = aws_security_group.endpoints[0].id
  referenced_security_group_id = aws_security_group.dagster[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# One for each zone: a job goes to the next one where a zone has no room.
resource "aws_glue_connection" "private" {
  count           = length(local.zones)
  name            = "${local.name}-private-${local.zones[count.index]}"
  connection_type = "NETWORK"

  physical_connection_requirements {
    availability_zone      = local.zones[count.index]
    subnet_id              = aws_subnet.private[count.index].id
    security_group_id_list = aws_security_group.glue[*].id
  }
}

# Dagster's subnets. Nobody comes in either way; a NAT gateway would cost twice as much as the tasks.
resource "aws_internet_gateway" "dagster" {
  count  = local.dagster_count
  vpc_id = aws_vpc.private[0].id
  tags   = { Name = "${local.name}-dagster" }
}

resource "aws_subnet" "dagster" {
  count             = length(local.dagster_zones)
  vpc_id            = aws_vpc.private[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + count.index)
  availability_zone = local.dagster_zones[count.index]
  tags              = { Name = "${local.name}-dagster-${local.dagster_zones[count.index]}" }
}

resource "aws_route_table" "dagster" {
  count  = local.dagster_count
  vpc_id = aws_vpc.private[0].id
  tags   = { Name = "${local.name}-dagster" }
}

moved {
  from = aws_route.nat
  to   = aws_route.dagster
}

resource "aws_route" "dagster" {
  count                  = local.dagster_count
  route_table_id         = aws_route_table.dagster[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = local.dagster_private ? null : aws_internet_gateway.dagster[0].id
  nat_gateway_id         = one(aws_nat_gateway.dagster[*].id)
}

resource "aws_route_table_association" "dagster" {
  count          = length(local.dagster_zones)
  subnet_id      = aws_subnet.dagster[count.index].id
  route_table_id = aws_route_table.dagster[0].id
}

# One NAT gateway: if its zone fails, runs wait for it.
resource "aws_subnet" "nat" {
  count             = local.nat_count
  vpc_id            = aws_vpc.private[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 12)
  availability_zone = local.dagster_zones[0]
  tags              = { Name = "${local.name}-nat" }
}

resource "aws_route_table" "nat" {
  count  = local.nat_count
  vpc_id = aws_vpc.private[0].id
  tags   = { Name = "${local.name}-nat" }
}

resource "aws_route" "internet" {
  count                  = local.nat_count
  route_table_id         = aws_route_table.nat[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.dagster[0].id
}

resource "aws_route_table_association" "nat" {
  count          = local.nat_count
  subnet_id      = aws_subnet.nat[0].id
  route_table_id = aws_route_table.nat[0].id
}

resource "aws_eip" "nat" {
  count  = local.nat_count
  domain = "vpc"
  tags   = { Name = "${local.name}-nat" }
}

resource "aws_nat_gateway" "dagster" {
  count         = local.nat_count
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.nat[0].id
  tags          = { Name = "${local.name}-dagster" }
  depends_on    = [aws_internet_gateway.dagster]
}
