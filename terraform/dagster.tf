# Dagster on ECS (`enable_dagster`): webserver, daemon and code server, each a service with one task,
# and a task for each run, all from one image. Its configuration is in ../container/dagster.yaml.

resource "aws_ecr_repository" "dagster" {
  #checkov:skip=CKV_AWS_136:Encrypted with ECR's own key; the image holds code and no data
  count                = local.dagster_count
  name                 = "${local.name}-dagster"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "dagster" {
  count      = local.dagster_count
  repository = aws_ecr_repository.dagster[0].name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "What no tag names. Images stay: their age does not tell whether Dagster runs with one."
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_ecs_cluster" "dagster" {
  #checkov:skip=CKV_AWS_65:Container insights cost more than the tasks they would watch; the alarms do without
  #checkov:skip=CKV_AWS_224:Only who may execute commands sees what they print; it is in nobody's log
  count = local.dagster_count
  name  = local.name
}

resource "aws_cloudwatch_log_group" "dagster" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key; personal values are masked in logs
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year of them is no default to pay for
  count             = local.dagster_count
  name              = local.dagster_log_group
  retention_in_days = var.log_retention_days
}

# The code server is found by name.
resource "aws_service_discovery_private_dns_namespace" "dagster" {
  count       = local.dagster_count
  name        = "${local.name}.internal"
  description = "Dagster's code server."
  vpc         = aws_vpc.private[0].id
}

resource "aws_service_discovery_service" "code" {
  count = local.dagster_count
  name  = "code"

  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.dagster[0].id

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

locals {
  dagster_log_group = "${dirname(local.log_group)}/dagster"
  workspace         = ["--workspace", "/opt/dagster/workspace.yaml"]
  dagster_url       = coalesce(var.dagster_url, var.dagster_sign_in == null ? "http://localhost:3000" : "https://${try(var.dagster_sign_in.domain, "")}")
  run_family        = "${local.name}-run"

  # How large they are is in deployment.json: CPU in 1/1024 vCPU, memory in MB.
  services = {
    webserver = {
      command = concat(["dagster-webserver", "--host", "0.0.0.0", "--port", "3000"], local.workspace)
      port    = 3000
      health  = ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:3000/server_info', timeout=20)"]
    }
    daemon = {
      command = concat(["dagster-daemon", "run"], local.workspace)
      port    = null
      health  = ["dagster-daemon", "liveness-check"]
    }
    code = {
      command = ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", "--module-name", "ecommerce_assets.definitions"]
      port    = 4000
      health  = ["dagster", "api", "grpc-health-check", "--port", "4000"]
    }
  }

  dagster_environment = merge(local.settings, {
    DAGSTER_CODE_HOST     = "code.${local.name}.internal"
    DAGSTER_DATABASE_HOST = one(aws_db_instance.dagster[*].address)
    DAGSTER_DATABASE_PORT = one(aws_db_instance.dagster[*].port)
    DAGSTER_LOGS_BUCKET   = local.bucket_names.artifacts
  })

  # Services name the revision that they were deployed with; a run can't name its own.
  environment_of_services = [
    for name, value in merge(local.dagster_environment, { DAGSTER_RUN_TASK = one(aws_ecs_task_definition.run[*].arn) }) :
    { name = name, value = tostring(value) }
  ]

  # What every container has. A file system that is only read, but for /tmp.
  container = {
    image       = coalesce(var.dagster_image, "none")
    user        = "10001"
    mountPoints = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    linuxParameters = {
      initProcessEnabled = true
    }
  }
}

resource "aws_ecs_task_definition" "service" {
  for_each                 = var.enable_dagster ? local.services : {}
  family                   = "${local.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.deployment.dagster[each.key].cpu
  memory                   = local.deployment.dagster[each.key].memory
  task_role_arn            = aws_iam_role.dagster[each.key].arn
  execution_role_arn       = aws_iam_role.execution[each.key == "daemon" ? "daemon" : "others"].arn

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode(concat(
    [merge(local.container, {
      name        = each.key
      essential   = true
      environment = local.environment_of_services
      command     = each.value.command
      # A port forwarding needs an agent that writes.
      readonlyRootFilesystem = !local.forwarded[each.key]
      portMappings           = [for port in each.value.port[*] : { containerPort = port, protocol = "tcp" }]
      logConfiguration       = local.logs[each.key]
      stopTimeout            = 60
      dependsOn              = each.key == "daemon" ? [{ containerName = "database", condition = "SUCCESS" }] : []
      healthCheck = {
        command     = concat(["CMD"], each.value.health)
        interval    = 120
        timeout     = 60
        retries     = 3
        startPeriod = 300
      }
    })],
    # Before the daemon: the database's user, and the tables of this version.
    each.key == "daemon" ? [merge(local.container, {
      name                   = "database"
      essential              = false
      environment            = local.environment_of_services
      command                = ["python", "/opt/dagster/database.py"]
      readonlyRootFilesystem = true
      logConfiguration       = local.logs["database"]
      secrets                = [{ name = "DATABASE_SECRET", valueFrom = local.database_secret_arn }]
    })] : []
  ))
}

resource "aws_ecs_task_definition" "run" {
  count                    = local.dagster_count
  family                   = local.run_family
  skip_destroy             = true # a daemon that is being replaced still starts runs by the old one
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.deployment.dagster.run.cpu
  memory                   = local.deployment.dagster.run.memory
  task_role_arn            = aws_iam_role.dagster["code"].arn
  execution_role_arn       = aws_iam_role.execution["others"].arn

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([merge(local.container, {
    name                   = "run"
    essential              = true
    environment            = [for name, value in merge(local.dagster_environment, { DAGSTER_RUN_TASK = local.run_family }) : { name = name, value = tostring(value) }]
    readonlyRootFilesystem = true
    logConfiguration       = local.logs["run"]
    stopTimeout            = 120 # an interrupted run stops its Glue job run
  })])
}

locals {
  forwarded = { for name in keys(local.services) : name => name == "webserver" && var.dagster_sign_in == null }

  logs = { for name in concat(keys(local.services), ["database", "run"]) : name => {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = local.dagster_log_group
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = name
    }
  } }
}

resource "aws_ecs_service" "dagster" {
  for_each               = var.enable_dagster ? local.services : {}
  name                   = each.key
  cluster                = aws_ecs_cluster.dagster[0].id
  task_definition        = aws_ecs_task_definition.service[each.key].arn
  desired_count          = var.dagster_image == null ? 0 : 1
  launch_type            = "FARGATE"
  enable_execute_command = local.forwarded[each.key]
  propagate_tags         = "SERVICE"

  # It imports Dagster, and on the first deployment waits for the database's user.
  health_check_grace_period_seconds = each.key == "webserver" && local.ui_count > 0 ? 300 : null

  # Never two daemons: the old one ends before the new one starts.
  deployment_minimum_healthy_percent = each.key == "daemon" ? 0 : 100
  deployment_maximum_percent         = each.key == "daemon" ? 100 : 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = aws_subnet.dagster[*].id
    security_groups = aws_security_group.dagster[*].id
  }

  dynamic "service_registries" {
    for_each = each.key == "code" ? aws_service_discovery_service.code : []

    content {
      registry_arn = service_registries.value.arn
    }
  }

  dynamic "load_balancer" {
    for_each = each.key == "webserver" ? aws_lb_target_group.dagster : []

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = "webserver"
      container_port   = 3000
    }
  }

  # What a task needs and does not name.
  depends_on = [
    aws_cloudwatch_log_group.dagster,
    aws_iam_role_policy.dagster,
    aws_iam_role_policy.execution,
    aws_iam_role_policy_attachment.dagster,
    aws_lb_listener.dagster,
    aws_route.nat,
    aws_route_table_association.dagster,
    aws_vpc_security_group_egress_rule.https,
  ]
}

resource "aws_security_group" "dagster" {
  count       = local.dagster_count
  name        = "${local.name}-dagster"
  description = "Tasks of Dagster."
  vpc_id      = aws_vpc.private[0].id
}

resource "aws_vpc_security_group_ingress_rule" "code" {
  count                        = local.dagster_count
  description                  = "Webserver, daemon and runs ask the code server."
  security_group_id            = aws_security_group.dagster[0].id
  referenced_security_group_id = aws_security_group.dagster[0].id
  ip_protocol                  = "tcp"
  from_port                    = 4000
  to_port                      = 4000
}

resource "aws_vpc_security_group_egress_rule" "code" {
  count                        = local.dagster_count
  description                  = "Webserver, daemon and runs ask the code server."
  security_group_id            = aws_security_group.dagster[0].id
  referenced_security_group_id = aws_security_group.dagster[0].id
  ip_protocol                  = "tcp"
  from_port                    = 4000
  to_port                      = 4000
}

resource "aws_vpc_security_group_egress_rule" "database" {
  count                        = local.dagster_count
  description                  = "The database of Dagster."
  security_group_id            = aws_security_group.dagster[0].id
  referenced_security_group_id = aws_security_group.database[0].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count             = local.dagster_count
  description       = "AWS, and the webhook of the chat."
  security_group_id = aws_security_group.dagster[0].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
