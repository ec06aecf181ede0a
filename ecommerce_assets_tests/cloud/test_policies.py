"""The planned policies: what each role needs is allowed, and what it must not do is denied.

What Dagster and the jobs are seen to call is checked where they run (test_aws_end_to_end and
test_dagster_on_aws). Here is what they call after faults only, what AWS does in a role's name, what
people do, and what nobody may.
"""

import pytest

from ecommerce_assets_tests.aws_stand_in import BUCKETS
from ecommerce_assets_tests.ecs_stand_in import RUN_TASK
from ecommerce_assets_tests.iam import ACCOUNT, CLUSTER, OF_S3, Call, Policies, arn
from ecommerce_assets_tests.terraform_plan import Planned

LANDING, LAKEHOUSE, ARTIFACTS, RESULTS = (f"{OF_S3}{name}" for name in BUCKETS.values())
RELEASE = f"{ARTIFACTS}/releases/0123/code.zip"
JOB = arn("glue", "job/prod-ecommerce-gold-aggregation")
WORKGROUP, OF_DASHBOARD = "workgroup/prod-ecommerce", "workgroup/prod-ecommerce-dashboard"
TASK = arn("ecs", "task/prod-ecommerce/0123")
LOGS = arn("logs", "log-group:/prod/ecommerce/glue/output:*")
WEBHOOK = arn("secretsmanager", "secret:prod-ecommerce/alert-webhook-AbCdEf")
DATABASE = arn("rds-db", "dbuser:db-ABC/dagster")
ONCE = (("s3:if-none-match", "*"),)
IN_CLUSTER = (("ecs:cluster", CLUSTER),)


def put(resource: str, *context: tuple[str, str]) -> Call:
    return Call("s3:PutObject", resource, context)


def get(resource: str) -> Call:
    return Call("s3:GetObject", resource)


def listed(bucket: str, prefix: str) -> Call:
    return Call("s3:ListBucket", bucket, (("s3:prefix", prefix),))


def table(action: str, database: str, name: str = "orders") -> Call:
    return Call(f"glue:{action}", arn("glue", f"table/{database}/{name}"))


NEEDED = [
    # What a release is made sure of by.
    ("dagster", get(RELEASE)),
    ("publisher", get(RELEASE)),
    # After faults.
    ("dagster", Call("glue:BatchStopJobRun", JOB)),
    ("dagster", Call("logs:DescribeLogStreams", LOGS)),
    ("dagster", Call("logs:GetLogEvents", LOGS)),
    ("dagster", Call("secretsmanager:GetSecretValue", WEBHOOK)),
    ("dagster", Call("secretsmanager:DescribeSecret", WEBHOOK)),
    ("bronze", Call("s3:AbortMultipartUpload", f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("gold", Call("s3:DeleteObject", f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("embedded", Call("s3:AbortMultipartUpload", f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("embedded", Call("s3:DeleteObject", f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("publisher", Call("s3:AbortMultipartUpload", RELEASE)),
    ("uploader", Call("s3:AbortMultipartUpload", f"{LANDING}/landing/orders/x.csv")),
    ("server", Call("logs:GetLogEvents", arn("logs", "log-group:/prod/ecommerce/dagster:*"))),
    ("server", Call("ecs:StopTask", TASK, IN_CLUSTER)),
    # Athena, in the name of who asks.
    ("dagster", Call("athena:StartQueryExecution", arn("athena", OF_DASHBOARD))),
    ("dagster", Call("athena:GetQueryExecution", arn("athena", OF_DASHBOARD))),
    ("dagster", Call("athena:GetQueryResults", arn("athena", OF_DASHBOARD))),
    ("dagster", Call("athena:StopQueryExecution", arn("athena", OF_DASHBOARD))),
    ("dagster", table("GetTable", "prod_silver", "orders_quarantine")),
    ("dagster", get(f"{LAKEHOUSE}/silver/orders/data/0.parquet")),
    ("dagster", listed(LAKEHOUSE, "silver/orders/")),
    ("dagster", put(f"{RESULTS}/athena/dashboard/0123.csv")),
    ("dagster", Call("s3:GetBucketLocation", RESULTS)),
    ("analyst", Call("athena:StartQueryExecution", arn("athena", WORKGROUP))),
    ("analyst", Call("athena:GetQueryResults", arn("athena", WORKGROUP))),
    ("analyst", Call("athena:GetQueryResultsStream", arn("athena", WORKGROUP))),
    ("analyst", Call("glue:GetDatabases", arn("glue", "database/*"))),
    ("analyst", Call("athena:ListWorkGroups", "*")),
    ("analyst", Call("athena:ListTableMetadata", arn("athena", "datacatalog/AwsDataCatalog"))),
    ("analyst", table("GetTables", "prod_gold", "*")),
    ("analyst", Call("glue:GetDatabase", arn("glue", "database/default"))),
    ("analyst", get(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("analyst", put(f"{RESULTS}/athena/analyst/0123.csv")),
    ("analyst", get(f"{RESULTS}/athena/analyst/0123.csv")),
    ("analyst", get(f"{RESULTS}/dashboard/sales.html")),
    # Glue, in the name of a job.
    ("gold", get(RELEASE)),
    ("gold", listed(ARTIFACTS, "releases/0123/")),
    ("gold", get(f"{ARTIFACTS}/scripts/no_release.py")),
    ("gold", put(f"{ARTIFACTS}/spark-events/gold/0123")),
    ("gold", Call("logs:PutLogEvents", LOGS)),
    ("gold", Call("logs:CreateLogGroup", arn("logs", "log-group:/aws-glue/jobs/error"))),
    ("gold", Call("glue:GetDatabase", arn("glue", "database/default"))),
    ("gold", Call("glue:GetDatabase", arn("glue", "database/global_temp"))),
    # ECS, for its tasks.
    ("execution-run", Call("ecr:GetAuthorizationToken", "*")),
    ("execution-run", Call("ecr:BatchGetImage", arn("ecr", "repository/prod-ecommerce-dagster"))),
    ("execution-run", Call("logs:PutLogEvents", arn("logs", "log-group:/prod/ecommerce/dagster:*"))),
    ("execution-server", Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:rds!db-1"))),
    ("run", Call("rds-db:connect", DATABASE)),
    ("server", Call("rds-db:connect", DATABASE)),
    ("server", Call("ssmmessages:OpenDataChannel", "*")),
    ("server", Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/prod-ecommerce-dagster-run",
                    (("iam:PassedToService", "ecs-tasks.amazonaws.com"),))),
]  # fmt: skip

OTHER_BUCKET = "arn:aws:s3:::somebody-elses"
FORBIDDEN = [
    # Jobs: other layers, deliveries, each other's messages, code.
    ("bronze", get(f"{LAKEHOUSE}/silver/orders/data/0.parquet")),
    ("bronze", get(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("bronze", put(f"{LAKEHOUSE}/silver/orders/data/0.parquet")),
    ("bronze", put(f"{LANDING}/landing/orders/x.csv")),
    ("bronze", Call("s3:DeleteObject", f"{LANDING}/landing/orders/x.csv")),
    ("bronze", table("UpdateTable", "prod_silver")),
    ("bronze", table("GetTable", "prod_gold", "fact_sales")),
    ("bronze", table("GetTable", "dev_bronze")),
    ("bronze", table("DeleteTable", "prod_bronze")),
    ("silver", get(f"{LANDING}/landing/orders/x.csv")),
    ("silver", listed(LANDING, "landing/orders/")),
    ("silver", put(f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("silver", Call("s3:DeleteObject", f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("silver", get(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("silver", table("UpdateTable", "prod_bronze")),
    ("gold", get(f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("gold", put(f"{LAKEHOUSE}/silver/orders/data/0.parquet")),
    ("gold", get(f"{LANDING}/landing/orders/x.csv")),
    ("gold", table("UpdateTable", "prod_silver")),
    ("gold", put(f"{ARTIFACTS}/pipes/bronze/0123/1.json")),
    ("gold", get(f"{ARTIFACTS}/pipes/gold/0123/context.json")),
    ("gold", put(f"{ARTIFACTS}/scripts/no_release.py")),
    ("gold", put(f"{ARTIFACTS}/spark-events/bronze/0123")),
    ("bronze", get(f"{ARTIFACTS}/pipes/gold/0123/1.json")),
    ("bronze", get(f"{ARTIFACTS}/pipes/bronze/0123/script.py")),
    ("bronze", put(RELEASE, *ONCE)),
    ("maintenance", put(RELEASE, *ONCE)),
    ("maintenance", get(f"{LANDING}/landing/orders/x.csv")),
    ("maintenance", get(f"{RESULTS}/athena/analyst/0123.csv")),
    ("gold", Call("glue:StartJobRun", JOB)),
    ("gold", Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/prod-ecommerce-glue-gold")),
    ("gold", Call("secretsmanager:GetSecretValue", WEBHOOK)),
    ("gold", get(f"{OTHER_BUCKET}/x")),
    ("gold", put(f"{OTHER_BUCKET}/x")),
    ("gold", listed(LAKEHOUSE, "")),
    # Dagster: code, tables, deliveries, other jobs; whatever a job's role reads.
    ("dagster", put(f"{ARTIFACTS}/pipes/gold/0123/context.json")),
    ("dagster", put(f"{ARTIFACTS}/scripts/no_release.py")),
    ("dagster", put(f"{ARTIFACTS}/spark-events/gold/0123")),
    ("dagster", put(RELEASE, *ONCE)),
    ("dagster", Call("s3:DeleteObject", RELEASE)),
    ("dagster", put(f"{LANDING}/landing/orders/x.csv")),
    ("dagster", get(f"{LANDING}/landing/orders/x.csv")),
    ("dagster", put(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("dagster", table("UpdateTable", "prod_gold", "fact_sales")),
    ("dagster", Call("glue:StartJobRun", arn("glue", "job/somebody-elses"))),
    ("dagster", Call("glue:StartJobRun", arn("glue", "job/dev-ecommerce-gold-aggregation"))),
    ("dagster", Call("glue:UpdateJob", JOB)),
    ("dagster", Call("glue:CreateJob", JOB)),
    ("dagster", Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/prod-ecommerce-glue-gold")),
    ("dagster", Call("athena:StartQueryExecution", arn("athena", WORKGROUP))),
    ("dagster", put(f"{RESULTS}/athena/analyst/0123.csv")),
    ("dagster", Call("secretsmanager:PutSecretValue", WEBHOOK)),
    ("dagster", Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:rds!db-1"))),
    # Who computes without Glue: the tables, and neither deliveries nor code.
    ("dagster", put(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("embedded", put(f"{LANDING}/landing/orders/x.csv")),
    ("embedded", put(RELEASE, *ONCE)),
    # Publishers: what is published stays; nothing else.
    ("publisher", put(RELEASE)),
    ("publisher", Call("s3:DeleteObject", RELEASE)),
    ("publisher", put(f"{ARTIFACTS}/pipes/gold/0123/context.json")),
    ("publisher", get(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("publisher", get(f"{LANDING}/landing/orders/x.csv")),
    ("publisher", Call("glue:StartJobRun", JOB)),
    # Uploaders: deliveries, and nothing else.
    ("uploader", Call("s3:DeleteObject", f"{LANDING}/landing/orders/x.csv")),
    ("uploader", put(f"{LANDING}/elsewhere/x.csv")),
    ("uploader", get(f"{LAKEHOUSE}/bronze/orders/data/0.parquet")),
    ("uploader", put(RELEASE, *ONCE)),
    ("uploader", Call("glue:StartJobRun", JOB)),
    # Analysts: gold, their own results.
    ("analyst", get(f"{LAKEHOUSE}/silver/customers/data/0.parquet")),
    ("analyst", get(f"{LAKEHOUSE}/silver/customers_quarantine/data/0.parquet")),
    ("analyst", get(f"{LAKEHOUSE}/bronze/customers/data/0.parquet")),
    ("analyst", get(f"{LANDING}/landing/customers/x.csv")),
    ("analyst", table("GetTable", "prod_silver", "customers")),
    ("analyst", table("GetTable", "dev_gold", "fact_sales")),
    ("analyst", put(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("analyst", table("UpdateTable", "prod_gold", "fact_sales")),
    ("analyst", get(f"{RESULTS}/athena/dashboard/0123.csv")),
    ("analyst", put(f"{RESULTS}/dashboard/sales.html")),
    ("analyst", Call("athena:StartQueryExecution", arn("athena", OF_DASHBOARD))),
    ("analyst", Call("athena:GetQueryResults", arn("athena", OF_DASHBOARD))),
    ("analyst", Call("athena:StartQueryExecution", arn("athena", "workgroup/primary"))),
    ("analyst", Call("athena:UpdateWorkGroup", arn("athena", WORKGROUP))),
    ("analyst", Call("glue:GetDatabase", arn("glue", "database/prod_silver"))),
    ("analyst", table("GetTables", "prod_silver", "*")),
    ("analyst", Call("glue:StartJobRun", JOB)),
    # Dagster's tasks.
    ("server", Call("glue:StartJobRun", JOB)),
    ("server", Call("athena:StartQueryExecution", arn("athena", OF_DASHBOARD))),
    ("server", get(f"{LAKEHOUSE}/gold/fact_sales/data/0.parquet")),
    ("server", Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:rds!db-1"))),
    ("run", Call("ecs:RunTask", RUN_TASK, IN_CLUSTER)),
    ("run", Call("ecs:StopTask", TASK, IN_CLUSTER)),
    ("run", Call("logs:GetLogEvents", arn("logs", "log-group:/prod/ecommerce/dagster:*"))),
    ("server", Call("ecs:RunTask", RUN_TASK, (("ecs:cluster", arn("ecs", "cluster/other")),))),
    ("server", Call("ecs:RunTask", arn("ecs", "task-definition/other:1"), IN_CLUSTER)),
    ("server", Call("ecs:RegisterTaskDefinition", "*")),
    ("server", Call("ecs:StopTask", arn("ecs", "task/other/0123"), IN_CLUSTER)),
    ("server", Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/prod-ecommerce-dagster-run",
                    (("iam:PassedToService", "ec2.amazonaws.com"),))),
    ("server", Call("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/administrator",
                    (("iam:PassedToService", "ecs-tasks.amazonaws.com"),))),
    ("server", Call("rds-db:connect", arn("rds-db", "dbuser:db-ABC/master"))),
    ("execution-run", Call("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:rds!db-1"))),
    ("execution-run", Call("ecr:PutImage", arn("ecr", "repository/prod-ecommerce-dagster"))),
]  # fmt: skip


@pytest.fixture(scope="module")
def policies(planned: Planned) -> Policies:
    return Policies(planned)


@pytest.mark.parametrize(("role", "call"), NEEDED, ids=str)
def test_needed(policies: Policies, role: str, call: Call) -> None:
    assert policies.allow(role, call)


@pytest.mark.parametrize(("role", "call"), FORBIDDEN, ids=str)
def test_forbidden(policies: Policies, role: str, call: Call) -> None:
    assert not policies.allow(role, call)


@pytest.mark.parametrize("bucket", [LANDING, LAKEHOUSE, ARTIFACTS, RESULTS])
def test_nothing_goes_unencrypted(policies: Policies, bucket: str) -> None:
    insecure = (("aws:SecureTransport", "false"),)
    for role in policies.of_role:
        assert not policies.allow(role, Call("s3:GetObject", f"{bucket}/x", insecure))
        assert not policies.allow(role, Call("s3:ListBucket", bucket, insecure))


def test_what_is_forbidden_is_known_to_the_policies(policies: Policies) -> None:
    """A misspelt action would be denied as well: each of them is one that AWS has."""
    known = policies.actions()
    never = {"glue:DeleteTable", "glue:UpdateJob", "glue:CreateJob", "athena:UpdateWorkGroup",
             "secretsmanager:PutSecretValue", "ecs:RegisterTaskDefinition", "ecr:PutImage"}  # fmt: skip
    assert {call.action for _, call in FORBIDDEN} - known == never
