# Dagster's database: runs, events, schedules. Its tasks sign in by IAM; the password of its own user
# is kept and renewed by RDS, in Secrets Manager, and only the container that prepares it gets it.

locals {
  database_secret_arn = try(aws_db_instance.dagster[0].master_user_secret[0].secret_arn, null)
}

resource "aws_db_subnet_group" "dagster" {
  count       = local.dagster_count
  name        = "${local.name}-dagster"
  description = "Dagster's subnets."
  subnet_ids  = aws_subnet.dagster[*].id
}

resource "aws_db_instance" "dagster" {
  #checkov:skip=CKV_AWS_157:A second instance doubles its price; with the backups, an hour without Dagster is the risk
  #checkov:skip=CKV_AWS_118:Enhanced monitoring is a role and a log more, for a database of some hundred rows a day
  #checkov:skip=CKV_AWS_353:Performance Insights, as above
  #checkov:skip=CKV_AWS_354:As above
  #checkov:skip=CKV2_AWS_30:Queries are Dagster's own; their log would be larger than the database
  #checkov:skip=CKV_AWS_293:Deletion protection follows force_destroy, and is on by default
  #checkov:skip=CKV2_AWS_69:Postgres refuses unencrypted connections from version 15 on, and clients ask for TLS
  count                               = local.dagster_count
  identifier                          = "${local.name}-dagster"
  engine                              = "postgres"
  engine_version                      = "16"
  instance_class                      = var.dagster_database_class
  allocated_storage                   = 20
  max_allocated_storage               = 100
  storage_type                        = "gp3"
  storage_encrypted                   = true
  db_name                             = "dagster"
  username                            = "master"
  manage_master_user_password         = true
  iam_database_authentication_enabled = true
  ca_cert_identifier                  = "rds-ca-rsa2048-g1"
  db_subnet_group_name                = aws_db_subnet_group.dagster[0].name
  vpc_security_group_ids              = aws_security_group.database[*].id
  publicly_accessible                 = false
  multi_az                            = false
  auto_minor_version_upgrade          = true
  backup_retention_period             = 7
  copy_tags_to_snapshot               = true
  deletion_protection                 = !var.force_destroy
  skip_final_snapshot                 = var.force_destroy
  final_snapshot_identifier           = "${local.name}-dagster-${terraform_data.last_snapshot[0].output}"
  engine_lifecycle_support            = "open-source-rds-extended-support-disabled"
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]

  # Before the database, so that RDS does not make them, and after it when all is destroyed.
  depends_on = [aws_cloudwatch_log_group.database]

  lifecycle {
    ignore_changes = [engine_lifecycle_support] # of a database that is there, AWS does not change it
  }
}

# RDS would make them, to be kept for ever and beyond the database.
resource "aws_cloudwatch_log_group" "database" {
  #checkov:skip=CKV_AWS_158:Errors of Postgres; no statement is logged
  #checkov:skip=CKV_AWS_338:How long logs are kept is a variable; a year of them is no default to pay for
  for_each          = var.enable_dagster ? toset(["postgresql", "upgrade"]) : []
  name              = "/aws/rds/instance/${local.name}-dagster/${each.key}"
  retention_in_days = var.log_retention_days
}

# Without memory nobody can sign in, and without space no run is recorded.
resource "aws_cloudwatch_metric_alarm" "database" {
  for_each            = var.enable_dagster ? { FreeableMemory = 128, FreeStorageSpace = 2048 } : {}
  alarm_name          = "${local.name}-database-${lower(each.key)}"
  alarm_description   = "Dagster's database has less than ${each.value} MiB left (${each.key}): a larger dagster_database_class, or more storage."
  namespace           = "AWS/RDS"
  metric_name         = each.key
  dimensions          = { DBInstanceIdentifier = aws_db_instance.dagster[0].identifier }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = each.value * 1024 * 1024
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}

# The name of the last snapshot, for this database alone: another one may be there of one before.
resource "terraform_data" "last_snapshot" {
  count = local.dagster_count
  input = formatdate("YYYYMMDDhhmm", plantimestamp())

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_security_group" "database" {
  count       = local.dagster_count
  name        = "${local.name}-database"
  description = "The database of Dagster."
  vpc_id      = aws_vpc.private[0].id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  count                        = local.dagster_count
  description                  = "Tasks of Dagster."
  security_group_id            = aws_security_group.database[0].id
  referenced_security_group_id = aws_security_group.dagster[0].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
