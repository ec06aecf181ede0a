# The UI behind a sign-in (`dagster_sign_in`): an internal load balancer that asks the shop's identity
# provider who it is. Who may only look comes by an address of its own, with a client of its own: the
# identity provider says who may use which. Without a sign-in, the UI is reached by port forwarding
# alone (see the output).

locals {
  ui_count = var.enable_dagster && var.dagster_sign_in != null ? 1 : 0
  viewers  = local.ui_count == 0 ? null : var.dagster_sign_in.viewers

  # By webserver: its client at the identity provider.
  clients = local.ui_count == 0 ? {} : {
    for name, client in { webserver = var.dagster_sign_in, viewer = local.viewers } :
    name => { id = client.client_id, secret_id = client.client_secret_id } if client != null
  }
}

data "aws_secretsmanager_secret_version" "sign_in" {
  for_each  = local.clients
  secret_id = each.value.secret_id
}

resource "aws_lb" "dagster" {
  #checkov:skip=CKV_AWS_91:Who opened which page is Dagster's and the identity provider's to record
  #checkov:skip=CKV2_AWS_28:Internal: who reaches it is in the company's network, and signs in
  count                      = local.ui_count
  name                       = "${local.name}-ui"
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = aws_subnet.dagster[*].id
  security_groups            = aws_security_group.ui[*].id
  drop_invalid_header_fields = true
  enable_deletion_protection = !var.force_destroy
}

moved {
  from = aws_lb_target_group.dagster[0]
  to   = aws_lb_target_group.dagster["webserver"]
}

resource "aws_lb_target_group" "dagster" {
  #checkov:skip=CKV_AWS_378:Inside the VPC, between the load balancer and the task
  for_each             = local.clients
  name                 = "${local.name}-${each.key == "webserver" ? "ui" : each.key}"
  port                 = local.uis[each.key].port
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = aws_vpc.private[0].id
  deregistration_delay = 30

  # A task that is replaced takes the daemon with it: slow is not down.
  health_check {
    path                = "/server_info"
    interval            = 60
    timeout             = 30
    unhealthy_threshold = 5
  }
}

# Whoever comes by no known address is sent away, signed in or not.
resource "aws_lb_listener" "dagster" {
  count             = local.ui_count
  load_balancer_arn = aws_lb.dagster[0].arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.dagster_sign_in.certificate_arn

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "Not here."
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "sign_in" {
  for_each     = local.clients
  listener_arn = aws_lb_listener.dagster[0].arn
  priority     = each.key == "webserver" ? 1 : 2

  condition {
    host_header {
      values = [each.key == "webserver" ? var.dagster_sign_in.domain : local.viewers.domain]
    }
  }

  action {
    type  = "authenticate-oidc"
    order = 1

    authenticate_oidc {
      issuer                     = var.dagster_sign_in.issuer
      authorization_endpoint     = var.dagster_sign_in.authorization_endpoint
      token_endpoint             = var.dagster_sign_in.token_endpoint
      user_info_endpoint         = var.dagster_sign_in.user_info_endpoint
      client_id                  = each.value.id
      client_secret              = data.aws_secretsmanager_secret_version.sign_in[each.key].secret_string
      session_cookie_name        = "dagster-${each.key}"
      on_unauthenticated_request = "authenticate"
    }
  }

  action {
    type             = "forward"
    order            = 2
    target_group_arn = aws_lb_target_group.dagster[each.key].arn
  }
}

resource "aws_security_group" "ui" {
  count       = local.ui_count
  name        = "${local.name}-ui"
  description = "Load balancer of the UI of Dagster."
  vpc_id      = aws_vpc.private[0].id
}

resource "aws_vpc_security_group_ingress_rule" "ui" {
  for_each          = toset(local.ui_count > 0 ? var.dagster_sign_in.from_cidrs : [])
  description       = "The network of the company."
  security_group_id = aws_security_group.ui[0].id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "sign_in" {
  count             = local.ui_count
  description       = "The identity provider."
  security_group_id = aws_security_group.ui[0].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

moved {
  from = aws_vpc_security_group_egress_rule.ui[0]
  to   = aws_vpc_security_group_egress_rule.ui["webserver"]
}

resource "aws_vpc_security_group_egress_rule" "ui" {
  for_each                     = local.clients
  description                  = "The ${each.key} of Dagster."
  security_group_id            = aws_security_group.ui[0].id
  referenced_security_group_id = aws_security_group.dagster[0].id
  ip_protocol                  = "tcp"
  from_port                    = local.uis[each.key].port
  to_port                      = local.uis[each.key].port
}

moved {
  from = aws_vpc_security_group_ingress_rule.webserver[0]
  to   = aws_vpc_security_group_ingress_rule.webserver["webserver"]
}

resource "aws_vpc_security_group_ingress_rule" "webserver" {
  for_each                     = local.clients
  description                  = "The load balancer."
  security_group_id            = aws_security_group.dagster[0].id
  referenced_security_group_id = aws_security_group.ui[0].id
  ip_protocol                  = "tcp"
  from_port                    = local.uis[each.key].port
  to_port                      = local.uis[each.key].port
}
