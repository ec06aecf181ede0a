# Dagster on AWS.
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

override_data {
  target = data.aws_secretsmanager_secret_version.sign_in
  values = { secret_string = "secret" }
}

override_resource {
  target = aws_db_instance.dagster
  values = {
    address            = "database.example"
    port               = 5432
    resource_id        = "db-ABC"
    master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1", kms_key_id = "", secret_status = "active" }]
  }
  override_during = plan
}

override_resource {
  target          = aws_ecs_task_definition.run
  values          = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/prod-ecommerce-run:7" }
  override_during = plan
}

variables {
  enable_dagster = true

  # Of the runs that have one.
  sign_in = {
    domain                 = "dagster.example.com"
    certificate_arn        = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    from_cidrs             = ["10.0.0.0/8"]
    issuer                 = "https://id.example.com"
    authorization_endpoint = "https://id.example.com/authorize"
    token_endpoint         = "https://id.example.com/token"
    user_info_endpoint     = "https://id.example.com/userinfo"
    client_id              = "dagster"
    client_secret_id       = "dagster-sign-in"
  }

  dagster_image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/prod-ecommerce-dagster@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "dagster" {
  command = plan

  assert {
    condition     = aws_ecs_service.dagster[0].desired_count == 1 && toset([for container in jsondecode(aws_ecs_task_definition.dagster[0].container_definitions) : container.name if container.essential]) == toset(["webserver", "daemon", "code"])
    error_message = "Webserver, daemon and code server run, and nobody looks only."
  }

  # Signing in by IAM takes more memory than a micro instance has.
  assert {
    condition     = aws_db_instance.dagster[0].instance_class == "db.t4g.small" && aws_db_instance.dagster[0].engine_lifecycle_support == "open-source-rds-extended-support-disabled" && toset(keys(aws_cloudwatch_metric_alarm.database)) == toset(["FreeableMemory", "FreeStorageSpace"])
    error_message = "The database has memory, alarms, and no paid support of old versions."
  }

  assert {
    condition     = aws_ecs_service.dagster[0].deployment_maximum_percent == 100 && aws_ecs_service.dagster[0].deployment_minimum_healthy_percent == 0
    error_message = "There are never two daemons."
  }

  assert {
    condition     = length(aws_glue_connection.private) == 0 && length(aws_vpc_endpoint.interface) == 0
    error_message = "Jobs are in no network unless it is asked for."
  }

  assert {
    condition     = aws_ecs_service.dagster[0].network_configuration[0].assign_public_ip && aws_route.dagster[0].nat_gateway_id == null && length(aws_nat_gateway.dagster) == 0
    error_message = "Tasks go out by addresses of their own, without a NAT gateway."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.webserver) == 0 && length(aws_vpc_security_group_ingress_rule.ui) == 0 && aws_vpc_security_group_ingress_rule.database[0].cidr_ipv4 == null && aws_db_instance.dagster[0].publicly_accessible == false
    error_message = "Nobody reaches the tasks, and the tasks alone reach the database."
  }

  # What production's dagster.yaml, workspace.yaml and database.py read from the environment.
  assert {
    condition = alltrue([for task in concat(aws_ecs_task_definition.dagster, aws_ecs_task_definition.run) : alltrue([for container in jsondecode(task.container_definitions) :
      length(setsubtract(["DAGSTER_DATABASE_HOST", "DAGSTER_DATABASE_PORT", "DAGSTER_LOGS_BUCKET", "DAGSTER_RUN_TASK", "AWS_REGION", "ECOMMERCE_ENVIRONMENT", "ECOMMERCE_LAKEHOUSE"], [for pair in container.environment : pair.name])) == 0
    ])])
    error_message = "Every container is told what its configuration reads."
  }

  assert {
    condition     = alltrue([for task in concat(aws_ecs_task_definition.dagster, aws_ecs_task_definition.run) : task.runtime_platform[0].cpu_architecture == "ARM64"])
    error_message = "Tasks are of the architecture that the image is built for."
  }

  assert {
    condition     = alltrue([for task in concat(aws_ecs_task_definition.dagster, aws_ecs_task_definition.run) : alltrue([for container in jsondecode(task.container_definitions) : container.user == "10001" && endswith(container.image, var.dagster_image)])])
    error_message = "Nothing runs as root, or from an image without a digest."
  }

  assert {
    condition     = alltrue([for task in concat(aws_ecs_task_definition.dagster, aws_ecs_task_definition.run) : alltrue([for container in jsondecode(task.container_definitions) : container.readonlyRootFilesystem || container.name == "webserver"])])
    error_message = "File systems are only read; the agent of a port forwarding has to write to its own."
  }

  assert {
    condition     = toset(flatten([for task in concat(aws_ecs_task_definition.dagster, aws_ecs_task_definition.run) : [for container in jsondecode(task.container_definitions) : [for secret in try(container.secrets, []) : container.name]]])) == toset(["database"])
    error_message = "Only what prepares the database gets its secret."
  }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.dagster[0].container_definitions) : container.dependsOn == [{ containerName = "database", condition = "SUCCESS" }] if container.name != "database"])
    error_message = "All wait for the database's user and its migration."
  }

  assert {
    condition     = aws_db_instance.dagster[0].iam_database_authentication_enabled && aws_db_instance.dagster[0].manage_master_user_password && aws_db_instance.dagster[0].storage_encrypted && aws_db_instance.dagster[0].deletion_protection && aws_db_instance.dagster[0].backup_retention_period == 7
    error_message = "Nobody knows the database's password; it is encrypted, saved and kept."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(data.aws_iam_policy_document.dagster["run"].json).Statement : !contains(flatten([statement.Action]), "ecs:RunTask") && !contains(flatten([statement.Action]), "iam:PassRole")])
    error_message = "A run starts no tasks."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(data.aws_iam_policy_document.dagster["server"].json).Statement : length([for action in flatten([statement.Action]) : action if can(regex("^(glue|athena):", action))]) == 0]) && aws_iam_role_policy_attachment.dagster["orchestrator"].role == "prod-ecommerce-dagster-run"
    error_message = "The server itself starts no jobs and reads no tables: runs do."
  }

  assert {
    condition     = one([for statement in jsondecode(data.aws_iam_policy_document.dagster["server"].json).Statement : statement if statement.Sid == "PassRolesOfRuns"]).Condition.StringEquals["iam:PassedToService"] == "ecs-tasks.amazonaws.com"
    error_message = "It passes roles to ECS only."
  }

  assert {
    condition     = length(aws_lb.dagster) == 0 && aws_ecs_service.dagster[0].enable_execute_command && anytrue([for statement in jsondecode(data.aws_iam_policy_document.dagster["server"].json).Statement : statement.Sid == "ForwardPort"])
    error_message = "Without a sign-in, the UI is reached by port forwarding alone."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.no_success[0].period * aws_cloudwatch_metric_alarm.no_success[0].evaluation_periods == 26 * 3600 && aws_cloudwatch_metric_alarm.no_success[0].treat_missing_data == "breaching"
    error_message = "Silence for 26 hours is an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.down[0].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.down[0].statistic == "SampleCount"
    error_message = "A service without a task is an alarm."
  }

  assert {
    condition     = anytrue([for statement in jsondecode(aws_vpc_endpoint.s3[0].policy).Statement : statement.Effect == "Allow" && strcontains(jsonencode(statement.Resource), "starport-layer-bucket")])
    error_message = "Images' layers come through the endpoint."
  }
}

run "no_image_yet" {
  command = plan

  variables {
    dagster_image = null
  }

  assert {
    condition     = length(aws_ecs_service.dagster) == 0 && length(aws_ecr_repository.dagster) == 1 && length(aws_cloudwatch_metric_alarm.down) == 0 && length(aws_cloudwatch_metric_alarm.no_success) == 0
    error_message = "Until there is an image, nothing runs, and nothing alarms for that."
  }
}

run "an_image_by_tag" {
  command = plan

  variables {
    dagster_image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/prod-ecommerce-dagster:latest"
  }

  expect_failures = [var.dagster_image]
}

run "with_glue" {
  command = plan

  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.dagster)) == toset(["dashboard", "orchestrator"])
    error_message = "Where Glue computes the tables, Dagster may not change them."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.no_success) == 1
    error_message = "Without a run of gold for a day, somebody is told."
  }
}

# What AWS takes of the names is held by a test over all plans.
run "the_longest_names" {
  command = plan

  variables {
    environment     = "production"
    name            = "a-shop-of-toys"
    dagster_sign_in = merge(var.sign_in, { viewers = { domain = "look.example.com", client_id = "look", client_secret_id = "look-sign-in" } })
  }

  assert {
    condition     = length("${var.environment}-${var.name}") == 25 && startswith(aws_lb.dagster[0].name, "production-")
    error_message = "The environment and the name are as long as they may be."
  }
}

run "sign_in" {
  command = plan

  variables {
    dagster_sign_in = merge(var.sign_in, { viewers = { domain = "look.example.com", client_id = "look", client_secret_id = "look-sign-in" } })
  }

  assert {
    condition     = aws_lb.dagster[0].internal && alltrue([for rule in aws_lb_listener_rule.sign_in : [for action in rule.action : action.type] == ["authenticate-oidc", "forward"]]) && [for action in aws_lb_listener.dagster[0].default_action : action.type] == ["fixed-response"]
    error_message = "Who comes signs in first."
  }

  assert {
    condition     = { for name, rule in aws_lb_listener_rule.sign_in : rule.action[0].authenticate_oidc[0].client_id => [tolist(tolist(rule.condition)[0].host_header[0].values)[0], aws_lb_target_group.dagster[name].port] } == { dagster = ["dagster.example.com", 3000], look = ["look.example.com", 3001] }
    error_message = "Each webserver has an address and a client of its own."
  }

  assert {
    condition     = { for container in jsondecode(aws_ecs_task_definition.dagster[0].container_definitions) : container.name => container.portMappings[0].containerPort if contains(container.command, "--read-only") } == { viewer = 3001 }
    error_message = "Who may only look has a webserver that changes nothing."
  }

  assert {
    condition     = length(aws_nat_gateway.dagster) == 1 && !aws_ecs_service.dagster[0].network_configuration[0].assign_public_ip
    error_message = "The load balancer reaches the identity provider by the NAT gateway."
  }

  assert {
    condition     = !aws_ecs_service.dagster[0].enable_execute_command && alltrue([for container in jsondecode(aws_ecs_task_definition.dagster[0].container_definitions) : container.readonlyRootFilesystem])
    error_message = "Then nobody needs to get into its container."
  }

  assert {
    condition     = strcontains(output.environment, "ECOMMERCE_UI_URL=https://dagster.example.com")
    error_message = "Alerts link to it."
  }
}

run "who_looks_comes_by_another_client" {
  command = plan

  variables {
    dagster_sign_in = merge(var.sign_in, { viewers = { domain = "look.example.com", client_id = "dagster", client_secret_id = "look-sign-in" } })
  }

  expect_failures = [var.dagster_sign_in]
}

run "sign_in_without_a_way_out" {
  command = plan

  variables {
    dagster_private_subnets = false
    dagster_sign_in         = var.sign_in
  }

  expect_failures = [var.dagster_private_subnets]
}

run "private_subnets" {
  command = plan

  variables {
    dagster_private_subnets = true
  }

  assert {
    condition     = length(aws_nat_gateway.dagster) == 1 && aws_route.dagster[0].gateway_id == null && !aws_ecs_service.dagster[0].network_configuration[0].assign_public_ip
    error_message = "Tasks have no public address if that is asked for."
  }
}

run "without_it" {
  command = plan

  variables {
    enable_dagster = false
  }

  assert {
    condition     = length(aws_vpc.private) == 0 && length(aws_ecs_service.dagster) == 0 && length(aws_db_instance.dagster) == 0 && length(aws_cloudwatch_metric_alarm.no_success) == 0 && output.dagster == null
    error_message = "Without it, none of it is there."
  }
}

run "without_glue" {
  command = plan

  variables {
    pipeline_settings = { ECOMMERCE_ENGINE = "duckdb" }
  }

  assert {
    condition     = toset(keys(aws_iam_role_policy_attachment.dagster)) == toset(["dashboard", "embedded", "orchestrator"])
    error_message = "Where Dagster computes the tables itself, it may change them."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.no_success) == 0
    error_message = "The alarm that counts Glue's runs would always be on."
  }
}
