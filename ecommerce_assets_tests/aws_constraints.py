"""What AWS's services take as values, which Terraform's provider and its linters do not know.

Most rules are those of AWS's own schemas of its resources, as cfn-lint ships them: characters,
lengths, ranges, enumerations. The others stand here, each with its source.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

REGION = "eu-central-1"
# By Terraform's type: that of CloudFormation, and attributes whose names differ more than by case.
SCHEMAS: dict[str, tuple[str, dict[str, str]]] = {
    "aws_athena_named_query": ("Athena::NamedQuery", {"query": "QueryString"}),
    "aws_athena_workgroup": ("Athena::WorkGroup", {}),
    "aws_cloudtrail": ("CloudTrail::Trail", {"name": "TrailName"}),
    "aws_cloudwatch_event_rule": ("Events::Rule", {}),
    "aws_cloudwatch_log_group": ("Logs::LogGroup", {"name": "LogGroupName"}),
    "aws_cloudwatch_log_metric_filter": (
        "Logs::MetricFilter", {"name": "FilterName", "pattern": "FilterPattern"},
    ),
    "aws_cloudwatch_log_resource_policy": ("Logs::ResourcePolicy", {}),
    "aws_cloudwatch_metric_alarm": ("CloudWatch::Alarm", {}),
    "aws_db_instance": (
        "RDS::DBInstance", {"identifier": "DBInstanceIdentifier", "username": "MasterUsername"},
    ),
    "aws_ecr_repository": ("ECR::Repository", {"name": "RepositoryName"}),
    "aws_ecs_service": ("ECS::Service", {}),
    "aws_ecs_task_definition": ("ECS::TaskDefinition", {}),
    "aws_glue_job": ("Glue::Job", {}),
    "aws_iam_openid_connect_provider": ("IAM::OIDCProvider", {}),
    "aws_iam_policy": ("IAM::ManagedPolicy", {"policy": "PolicyDocument"}),
    "aws_iam_role": (
        "IAM::Role", {"name": "RoleName", "assume_role_policy": "AssumeRolePolicyDocument"},
    ),
    "aws_iam_role_policy": (
        "IAM::RolePolicy", {"name": "PolicyName", "policy": "PolicyDocument"},
    ),
    "aws_lb": ("ElasticLoadBalancingV2::LoadBalancer", {"load_balancer_type": "Type"}),
    "aws_lb_listener": ("ElasticLoadBalancingV2::Listener", {}),
    "aws_lb_listener_rule": ("ElasticLoadBalancingV2::ListenerRule", {}),
    "aws_lb_target_group": ("ElasticLoadBalancingV2::TargetGroup", {}),
    "aws_s3_bucket": ("S3::Bucket", {"bucket": "BucketName"}),
    "aws_secretsmanager_secret": ("SecretsManager::Secret", {}),
    "aws_security_group": ("EC2::SecurityGroup", {"description": "GroupDescription"}),
    "aws_sns_topic": ("SNS::Topic", {"name": "TopicName"}),
    "aws_vpc_endpoint": ("EC2::VPCEndpoint", {}),
}  # fmt: skip


# What the tests of Terraform override in place of AWS is made up, where no one sets it.
MADE_UP = (
    "database_insights_mode", "monitoring_role_arn", "performance_insights_retention_period",
)  # fmt: skip


class Rule(NamedTuple):
    """What an attribute of some types of resources must be.

    Attributes:
        types: a pattern of their names.
        attribute: its name, or a pattern of it.
        pattern: of the whole value.
        source: where AWS says so.
    """

    types: str
    attribute: str
    pattern: str
    source: str


_GROUP = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}"
RULES = (
    # S3 is the strictest of those that take the tags of the provider.
    Rule(".*", r"tags(_all)?\.key", r"(?!aws:)[\w\s.:/=+\-@]{1,128}", "S3 API, Tag"),
    Rule(".*", r"tags(_all)?\.value", r"[\w\s.:/=+\-@]{0,256}", "S3 API, Tag"),
    Rule("aws_vpc_security_group_.*", "description", _GROUP, "EC2 API, IpRange"),
    Rule("aws_security_group", "name", rf"(?!sg-){_GROUP}", "EC2 API, CreateSecurityGroup"),
    Rule("aws_s3_bucket", "bucket",
         r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.\-]{1,61}[a-z0-9]"
         r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)",
         "S3 user guide, Bucket naming rules"),
    Rule("aws_glue_catalog_database", "name", r"[a-z0-9_]{1,252}",
         "Athena user guide, Name databases, tables, and columns"),
    Rule("aws_glue_catalog_database", "description", r"[^\n\r]{0,2048}",
         "Glue API, DatabaseInput"),
    Rule("aws_iam_policy", "name", r"[\w+=,.@\-]{1,128}", "IAM API, CreatePolicy"),
    Rule("aws_budgets_budget", "name", r"[^:\\]{1,100}", "Budgets API, Budget"),
    Rule("aws_sns_topic", "name", r"[A-Za-z0-9_\-]{1,256}", "SNS API, CreateTopic"),
    Rule("aws_secretsmanager_secret", "name", r"[A-Za-z0-9/_+=.@\-]{1,512}(?<!-[A-Za-z0-9]{6})",
         "Secrets Manager API, CreateSecret; a name must not end like the suffix of an ARN"),
    Rule("aws_db_instance", "identifier|final_snapshot_identifier",
         r"(?!.*--)[a-z][a-z0-9\-]{0,61}[a-z0-9]", "RDS API, CreateDBInstance"),
    Rule("aws_db_instance", "db_name", r"[a-zA-Z][a-zA-Z0-9_]{0,62}",
         "RDS API, CreateDBInstance, DBName of PostgreSQL"),
    Rule("aws_db_subnet_group", "name", r"(?!default$)[a-z0-9 ._\-]{1,255}",
         "RDS API, CreateDBSubnetGroup"),
    Rule("aws_ecs_cluster", "name", r"[a-zA-Z0-9_\-]{1,255}", "ECS API, CreateCluster"),
    Rule("aws_ecs_service", "name", r"[a-zA-Z0-9_\-]{1,255}", "ECS API, CreateService"),
    Rule("aws_ecs_task_definition", "family", r"[a-zA-Z0-9_\-]{1,255}",
         "ECS API, RegisterTaskDefinition"),
    Rule("aws_lb", "name", r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9\-]{0,30}[a-zA-Z0-9])?",
         "ELBv2 API, CreateLoadBalancer"),
    Rule("aws_lb_target_group", "name", r"[a-zA-Z0-9]([a-zA-Z0-9\-]{0,30}[a-zA-Z0-9])?",
         "ELBv2 API, CreateTargetGroup"),
    Rule("aws_glue_connection", "name", r"[^\n\r]{1,255}", "Glue API, ConnectionInput"),
    Rule("aws_cloudwatch_event_rule", "schedule_expression",
         r"rate\((1 (minute|hour|day)|([2-9]|\d\d+) (minutes|hours|days))\)|cron\((\S+ ){5}\S+\)",
         "EventBridge user guide, Schedule expressions"),
    Rule(".*", ".*_arn", r"arn:aws[\w\-]*:[a-z0-9\-]+:[a-z0-9\-]*:(\d{12}|aws)?:\S+",
         "IAM user guide, Amazon Resource Names"),
)  # fmt: skip


@cache
def _properties(kind: str) -> dict[str, Any]:
    """The properties of a resource of CloudFormation, by AWS's schema."""
    schemas = files("cfnlint.data") / "schemas"
    known = json.loads((schemas / "providers" / f"{REGION}.json").read_text("utf-8"))
    name = known[f"AWS::{kind}"].removesuffix(".json")
    schema = json.loads((schemas / "resources" / f"{name}.json").read_text("utf-8"))
    return dict(schema["properties"])


def refused(address: str, values: Mapping[str, Any]) -> Iterator[str]:
    """What AWS would refuse of a planned resource: a line for each value.

    Args:
        address: its address, like `aws_s3_bucket.this["landing"]`.
        values: its attributes as planned.
    """
    kind = re.sub(r"^(module\.\w+(\[[^]]*\])?\.)*", "", address).split(".")[0]
    for name, value in _scalars(values):
        for rule in RULES:
            applies = re.fullmatch(rule.types, kind) and re.fullmatch(rule.attribute, name)
            if applies and not re.fullmatch(rule.pattern, str(value)):
                yield f"{address}: {name} {value!r}: {rule.source}"
        if kind in SCHEMAS and "." not in name:
            of_schema, named = SCHEMAS[kind]
            known = _properties(of_schema)
            if schema := known.get(named.get(name, _in_capitals(name, known))):
                yield from (f"{address}: {name} {value!r}: {why}" for why in _broken(schema, value))


def _scalars(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Texts and numbers by attribute, and the keys and values of tags."""
    for name, value in values.items():
        if isinstance(value, bool) or value in (None, "") or name in MADE_UP:
            continue
        if isinstance(value, str | int | float):
            yield name, value
        elif name in ("tags", "tags_all"):
            for key, text in value.items():
                yield f"{name}.key", key
                yield f"{name}.value", text or ""


def _in_capitals(name: str, known: Mapping[str, Any]) -> str:
    """An attribute's name as CloudFormation writes it."""
    plain = name.replace("_", "")
    return next((other for other in known if other.lower() == plain), "")


def _broken(schema: Mapping[str, Any], value: Any) -> Iterator[str]:
    """The rules of a schema that a value breaks."""
    text = str(value)
    pattern = schema.get("pattern", "^")
    fits = re.match if pattern.startswith("^") else re.fullmatch
    if not fits(pattern, text):
        yield f"must fit {pattern}"
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        yield f"must have {schema.get('minLength', 0)} to {schema.get('maxLength')} characters"
    if "enum" in schema and text not in map(str, schema["enum"]):
        yield f"must be one of {schema['enum']}"
    if isinstance(value, int | float):
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        if not least <= value <= most:
            yield f"must be from {least} to {most}"
