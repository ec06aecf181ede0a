# Dagster's database: runs, events, schedules. Its tasks sign in by IAM; the password of its own user
# is kept and renewed by RDS, in Secrets Manager, and only the container that prepares it gets it.

locals {
  database_secret_arn = try(aws_db_instance.dagster[0].master_user_secret[0].secret_arn, null)
}

resource "aws_db_subnet_group" "dagster" {
  count       = local.dagster_count
  name        = "${local.name}-dagster"
  description = "Dagster's private subnets."
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
  final_snapshot_identifier           = "${local.name}-dagster-last"
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
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
