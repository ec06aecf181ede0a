"""Which calls each role makes, and whether the planned policies allow them.

The calls are recorded where they arrive, whatever made them: boto3, the Java SDK, Arrow. Each role has
an access key of its own, which every signed request names.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote

from ecommerce_assets_tests.terraform_plan import Planned

ACCOUNT, REGION = "123456789012", "eu-central-1"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod-ecommerce"
SIGNED = re.compile(r"Credential=([\w-]+)/\d+/[\w-]+/([\w-]+)/aws4_request")
OF_S3 = "arn:aws:s3:::"


def arn(service: str, resource: str) -> str:
    """The ARN of something in the account."""
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def signed_by(role: str) -> dict[str, str]:
    """The environment of a process whose calls are a role's."""
    return {"AWS_ACCESS_KEY_ID": role, "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class Call:
    """An action on a resource, with the condition keys that AWS sends with it."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass
class Recorder:
    """Calls by role, which is the access key that signed them.

    Attributes:
        own_role: role of what the test's own process does; without one, that is not recorded.
    """

    calls: dict[str, set[Call]] = field(default_factory=dict)
    own_role: str | None = None

    def record(self, authorization: str, target: str, method: str, path: str, query: str,
               headers: Mapping[str, str], body: bytes) -> None:  # fmt: skip
        """Record a signed request."""
        signed = SIGNED.search(authorization)
        if signed is None:
            return
        role = self.own_role if signed[1] == "testing" else signed[1]
        if role is None:
            return
        service = signed[2]
        if service == "s3":
            calls = _of_s3(method, unquote(path), query, headers, body)
        elif service == "ec2":
            calls = [Call(f"ec2:{parse_qs(body.decode())['Action'][0]}", "*")]
        else:
            calls = _of_json(service, target.split(".")[-1], json.loads(body or b"{}"))
        self.calls.setdefault(role, set()).update(calls)

    @contextmanager
    def acting_as(self, role: str) -> Iterator[None]:
        """Record what this process does as a role's."""
        before, self.own_role = self.own_role, role
        try:
            yield
        finally:
            self.own_role = before

    def around(self, application: Callable[..., Any]) -> Callable[..., Any]:
        """A WSGI application that records its requests."""

        def recorded(environ: dict[str, Any], start_response: Any) -> Any:
            body = b""
            if length := int(environ.get("CONTENT_LENGTH") or 0):
                body = environ["wsgi.input"].read(length)
                environ["wsgi.input"] = BytesIO(body)
            given = {name[5:].replace("_", "-").lower(): value
                     for name, value in environ.items() if name.startswith("HTTP_")}  # fmt: skip
            self.record(given.get("authorization", ""), given.get("x-amz-target", ""),
                        environ["REQUEST_METHOD"], environ["PATH_INFO"],
                        environ.get("QUERY_STRING", ""), given, body)  # fmt: skip

            def answered(status: str, *rest: Any) -> Any:
                if status.startswith("404") and "aws-sdk-cpp" in given.get("user-agent", ""):
                    self._missed(given.get("authorization", ""), environ["PATH_INFO"])
                return start_response(status, *rest)

            return application(environ, answered)

        return recorded

    def _missed(self, authorization: str, path: str) -> None:
        """Record what S3 asks of who looks for an object that is not there: to list the bucket.

        Else it answers "forbidden", which Arrow does not take for "missing".
        """
        signed = SIGNED.search(authorization)
        role = signed and (self.own_role if signed[1] == "testing" else signed[1])
        if signed and role and signed[2] == "s3":
            call = Call("s3:ListBucket", f"{OF_S3}{path.lstrip('/').partition('/')[0]}")
            self.calls.setdefault(role, set()).add(call)


def _of_s3(
    method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> list[Call]:
    bucket, _, key = path.lstrip("/").partition("/")
    asked = parse_qs(query, keep_blank_values=True)
    there = f"{OF_S3}{bucket}"
    if not key:
        if "delete" in asked:
            keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
            return [Call("s3:DeleteObject", f"{there}/{found}") for found in keys]
        if "location" in asked:
            return [Call("s3:GetBucketLocation", there)]
        return [Call("s3:ListBucket", there, (("s3:prefix", asked.get("prefix", [""])[0]),))]
    resource = f"{there}/{key}"
    if method in ("GET", "HEAD"):
        return [Call("s3:GetObject", resource)]
    if method == "DELETE":
        action = "s3:AbortMultipartUpload" if "uploadId" in asked else "s3:DeleteObject"
        return [Call(action, resource)]
    once = headers.get("if-none-match")
    return [Call("s3:PutObject", resource, (("s3:if-none-match", once),) if once else ())]


def _of_json(service: str, operation: str, given: Mapping[str, Any]) -> list[Call]:
    action = f"{service}:{operation}"
    match service:
        case "glue" if "JobName" in given:
            return [Call(action, arn("glue", f"job/{given['JobName']}"))]
        case "glue":
            database = given.get("DatabaseName") or given.get("Name")
            table = given.get("TableInput", {}).get("Name") or given.get("Name")
            resources = ["catalog", f"database/{database}"]
            if "DatabaseName" in given:
                resources.append(f"table/{database}/{table or '*'}")
            return [Call(action, arn("glue", resource)) for resource in resources]
        case "logs":
            return [Call(action, arn("logs", f"log-group:{given['logGroupName']}:*"))]
        case "secretsmanager":
            return [Call(action, arn("secretsmanager", f"secret:{given['SecretId']}-AbCdEf"))]
        case "athena":
            workgroup = given.get("WorkGroup", "*")
            return [Call(action, arn("athena", f"workgroup/{workgroup}"))]
        case "ecs" if "tasks" in given or "task" in given:
            tasks = given.get("tasks") or [given["task"]]
            return [Call(action, task, (("ecs:cluster", given["cluster"]),)) for task in tasks]
        case "ecs" if operation == "RunTask":
            started = Call(action, given["taskDefinition"], (("ecs:cluster", given["cluster"]),))
            tagged = Call("ecs:TagResource", arn("ecs", "task/prod-ecommerce/new"),
                          (("ecs:CreateAction", "RunTask"),))  # fmt: skip
            return [started, tagged] if given.get("tags") else [started]
        case _:
            return [Call(action, "*")]


class Policies:
    """The policies of each role as they are planned, and those of the buckets.

    Args:
        planned: Terraform's plans.
    """

    def __init__(self, planned: Planned) -> None:
        with_dagster, plain = planned.dagster, planned.resources

        def policy(resources: Mapping[str, Any], address: str) -> list[dict[str, Any]]:
            return list(json.loads(resources[address]["policy"])["Statement"])

        jobs = {job: policy(plain, f'aws_iam_role_policy.job["{job}"]')
                for job in ("bronze", "silver", "gold", "maintenance")}  # fmt: skip
        orchestrator = policy(plain, "aws_iam_policy.orchestrator")
        dashboard = policy(plain, 'aws_iam_policy.reader["dashboard"]')
        tasks = {role: policy(with_dagster, f'aws_iam_role_policy.dagster["{role}"]')
                 for role in ("server", "run")}  # fmt: skip
        self.of_role: dict[str, list[dict[str, Any]]] = {
            **jobs,
            "dagster": [*orchestrator, *dashboard],
            "embedded": [*orchestrator, *dashboard, *policy(plain, "aws_iam_policy.embedded")],
            "publisher": policy(plain, "aws_iam_policy.publisher"),
            "uploader": policy(plain, "aws_iam_policy.uploader"),
            "analyst": policy(plain, 'aws_iam_policy.reader["analyst"]'),
            **tasks,
            "run": [*tasks["run"], *orchestrator, *dashboard],
            **{f"execution-{name}": policy(with_dagster, f'aws_iam_role_policy.execution["{name}"]')
               for name in ("server", "run")},
        }  # fmt: skip
        self.of_buckets = [
            statement
            for address in plain
            if address.startswith("aws_s3_bucket_policy.")
            for statement in policy(plain, address)
        ]

    def allow(self, role: str, call: Call) -> bool:
        """Whether a role may make a call: something allows it, and nothing denies it."""
        context = {"aws:SecureTransport": "true", **dict(call.context)}
        speaks = [
            statement["Effect"]
            for statement in [*self.of_role[role], *self.of_buckets]
            if _applies(statement, call, context)
        ]
        return "Allow" in speaks and "Deny" not in speaks

    def must_allow(self, recorder: Recorder) -> None:
        """Everything that was recorded is allowed."""
        refused = sorted(
            f"{role}: {call.action} {call.resource} {dict(call.context)}"
            for role, calls in recorder.calls.items()
            for call in calls
            if not self.allow(role, call)
        )
        assert not refused, "not allowed:\n" + "\n".join(refused)

    def actions(self) -> set[str]:
        """Every action that a policy names."""
        statements = [found for policy in self.of_role.values() for found in policy]
        return {action for found in statements for action in _all(found["Action"])}


def _applies(statement: Mapping[str, Any], call: Call, context: Mapping[str, str]) -> bool:
    actions, resources = _all(statement["Action"]), _all(statement["Resource"])
    return (
        any(fnmatchcase(call.action.lower(), action.lower()) for action in actions)
        and any(_like(call.resource, resource) for resource in resources)
        and all(
            _holds(operator, key, _all(values), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, values: Iterable[str], context: Mapping[str, str]) -> bool:
    """Whether a condition holds. A key that is not sent holds for Null alone, and for negations."""
    given = context.get(key)
    match operator:
        case "Null":
            return (given is None) == (next(iter(values)) == "true")
        case "StringEquals" | "Bool":
            return given is not None and given in values
        case "StringNotEquals":
            return given is None or given not in values
        case "StringLike" | "ArnLike" | "ArnEquals":
            return given is not None and any(_like(given, value) for value in values)
        case "ForAllValues:StringEquals":
            return given is None or given in values
    raise NotImplementedError(operator)


def _like(text: str, pattern: str) -> bool:
    """IAM's patterns: `*` is any text, `?` any character; there are no others."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _all(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
