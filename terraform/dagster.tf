# Dagster on ECS (`enable_dagster`): a service of one task, in which webserver, daemon and code server
# are containers, and a task for each run, all from one image. Its configuration is in
# ../container/dagster.yaml.

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

locals {
  dagster_log_group = "${dirname(local.log_group)}/dagster"
  dagster_runs      = var.enable_dagster && var.dagster_image != null
  workspace         = ["--workspace", "/opt/dagster/workspace.yaml"]
  dagster_url       = coalesce(var.dagster_url, var.dagster_sign_in == null ? "http://localhost:3000" : "https://${try(var.dagster_sign_in.domain, "")}")
  run_family        = "${local.name}-run"

  # The containers of Dagster's task: it ends with any of them, and ECS starts another one.
  servers = merge({
    code = {
      command = ["dagster", "code-server", "start", "--host", "localhost", "--port", "4000", "--module-name", "ecommerce_assets.definitions"]
      port    = null
      health  = ["dagster", "api", "grpc-health-check", "--port", "4000"]
    }
    daemon = {
      command = concat(["dagster-daemon", "run"], local.workspace)
      port    = null
      health  = ["dagster-daemon", "liveness-check"]
    }
    }, { for name, ui in local.uis : name => {
      command = concat(["dagster-webserver", "--host", "0.0.0.0", "--port", tostring(ui.port)], ui.flags, local.workspace)
      port    = ui.port
      health  = ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:${ui.port}/server_info', timeout=20)"]
  } })

  # Who may only look has a webserver that can't change anything.
  uis = merge(
    { webserver = { port = 3000, flags = [] } },
    local.viewers == null ? {} : { viewer = { port = 3001, flags = ["--read-only"] } },
  )

  dagster_environment = merge(local.settings, {
    DAGSTER_DATABASE_HOST = one(aws_db_instance.dagster[*].address)
    DAGSTER_DATABASE_PORT = one(aws_db_instance.dagster[*].port)
    DAGSTER_LOGS_BUCKET   = local.bucket_names.artifacts
    DAGSTER_RUN_TASK      = local.run_family
  })

  # The daemon names the revision of a run's task that it was deployed with; a run can't name its own.
  environment_of_servers = [
    for name, value in merge(local.dagster_environment, {
      DAGSTER_CODE_HOST = "localhost"
      DAGSTER_RUN_TASK  = one(aws_ecs_task_definition.run[*].arn)
    }) : { name = name, value = tostring(value) }
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

resource "aws_ecs_task_definition" "dagster" {
  count                    = local.dagster_count
  family                   = "${local.name}-dagster"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.deployment.dagster.server.cpu
  memory                   = local.deployment.dagster.server.memory
  task_role_arn            = aws_iam_role.dagster["server"].arn
  execution_role_arn       = aws_iam_role.execution["server"].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = local.deployment.dagster_architecture
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode(concat(
    # Before the others: the database's user, and the tables of this version.
    [merge(local.container, {
      name                   = "database"
      essential              = false
      environment            = local.environment_of_servers
      command                = ["python", "/opt/dagster/database.py"]
      readonlyRootFilesystem = true
      logConfiguration       = local.logs["database"]
      secrets                = [{ name = "DATABASE_SECRET", valueFrom = local.database_secret_arn }]
    })],
    [for name, server in local.servers : merge(local.container, {
      name        = name
      essential   = true
      environment = local.environment_of_servers
      command     = server.command
      # A port forwarding needs an agent that writes.
      readonlyRootFilesystem = !(name == "webserver" && local.forwarded)
      portMappings           = [for port in server.port[*] : { containerPort = port, protocol = "tcp" }]
      logConfiguration       = local.logs[name]
      stopTimeout            = 60
      dependsOn              = [{ containerName = "database", condition = "SUCCESS" }]
      healthCheck = {
        command     = concat(["CMD"], server.health)
        interval    = 120
        timeout     = 60
        retries     = 3
        startPeriod = 300
      }
    })],
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
  task_role_arn            = aws_iam_role.dagster["run"].arn
  execution_role_arn       = aws_iam_role.execution["run"].arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = local.deployment.dagster_architecture
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([merge(local.container, {
    name                   = "run"
    essential              = true
    environment            = [for name, value in local.dagster_environment : { name = name, value = tostring(value) }]
    readonlyRootFilesystem = true
    logConfiguration       = local.logs["run"]
    stopTimeout            = 120 # an interrupted run stops its Glue job run
  })])
}

locals {
  forwarded = var.dagster_sign_in == null

  logs = { for name in concat(keys(local.servers), ["database", "run"]) : name => {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = local.dagster_log_group
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = name
    }
  } }
}

# There is none until there is an image: a deployment that fails would be rolled back to one without.
resource "aws_ecs_service" "dagster" {
  #checkov:skip=CKV_AWS_333:A public address is the way out; the group lets nobody in (dagster_private_subnets has none)
  count                  = local.dagster_runs ? 1 : 0
  name                   = "dagster"
  cluster                = aws_ecs_cluster.dagster[0].id
  task_definition        = aws_ecs_task_definition.dagster[0].arn
  desired_count          = 1
  launch_type            = "FARGATE"
  enable_execute_command = local.forwarded
  propagate_tags         = "SERVICE"

  # It imports Dagster, and waits for the database's user and tables.
  health_check_grace_period_seconds = local.ui_count > 0 ? 300 : null

  # Never two daemons: the old task ends before the new one starts.
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = aws_subnet.dagster[*].id
    security_groups  = aws_security_group.dagster[*].id
    assign_public_ip = !local.dagster_private # a run's task has what this one has
  }

  dynamic "load_balancer" {
    for_each = aws_lb_target_group.dagster

    content {
      target_group_arn = load_balancer.value.arn
      container_name   = load_balancer.key
      container_port   = local.uis[load_balancer.key].port
    }
  }

  # What a task needs and does not name.
  depends_on = [
    aws_cloudwatch_log_group.dagster,
    aws_iam_role_policy.dagster,
    aws_iam_role_policy.execution,
    aws_iam_role_policy_attachment.dagster,
    aws_lb_listener_rule.sign_in,
    aws_route.dagster,
    aws_route_table_association.dagster,
    aws_vpc_security_group_egress_rule.database,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_ingress_rule.dagster_to_endpoints,
    aws_vpc_security_group_ingress_rule.database,
  ]
}

resource "aws_security_group" "dagster" {
  count       = local.dagster_count
  name        = "${local.name}-dagster"
  description = "Tasks of Dagster."
  vpc_id      = aws_vpc.private[0].id
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
