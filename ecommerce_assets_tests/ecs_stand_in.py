"""Stand-ins for what Dagster's own tasks talk to on AWS: ECS, whose tasks are processes here, the
endpoint that tells a task who it is, Glue over HTTP, and RDS: a real Postgres with TLS.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg2
from botocore.exceptions import ClientError

from ecommerce_assets_tests.dagster_dev import free_port
from ecommerce_assets_tests.iam import CLUSTER, Recorder, arn, signed_by
from tools.pins import NOT_IN_THE_IMAGE

RUN_TASK = arn("ecs", "task-definition/prod-ecommerce-run:7")
SERVER = ("webserver", "viewer", "daemon", "code")
MASTER = {"username": "master", "password": "secret"}


@contextmanager
def service(
    target: Any, recorder: Recorder, pages: Callable[[str], Any] = lambda path: {}
) -> Iterator[str]:
    """A service in AWS's JSON protocol: each operation is a method of `target`; yields its URL.

    Args:
        pages: answers GET requests by their path.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].split(".")[-1]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            recorder.record(self.headers["Authorization"], self.headers["X-Amz-Target"],
                            "POST", "/", "", {}, body)  # fmt: skip
            given = json.loads(body or b"{}")
            method = getattr(target, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
            try:
                self._answer(200, method(**given))
            except ClientError as error:
                self._answer(400, {"__type": error.response["Error"]["Code"],
                                   "message": error.response["Error"]["Message"]})  # fmt: skip

        def do_GET(self) -> None:
            self._answer(200, pages(self.path))

        def _answer(self, status: int, content: Any) -> None:
            body = json.dumps(content, default=lambda moment: moment.timestamp()).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def without_spark(folder: Path) -> Path:
    """A folder for PYTHONPATH by which what the image does not have can't be imported."""
    for name in NOT_IN_THE_IMAGE:
        module = folder / "not_in_the_image" / name.replace("-", "_") / "__init__.py"
        module.parent.mkdir(parents=True)
        module.write_text("raise ImportError('the image does not have ' + __name__)\n")
    return folder / "not_in_the_image"


@dataclass
class ProcessEcs:
    """An ECS that runs each container as a process; the server's are started by the test.

    Attributes:
        environment: of each task.
        interface: id of the network interface that the server's task has.
    """

    folder: Path
    environment: Mapping[str, str]
    interface: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def metadata(self, path: str) -> dict[str, str]:
        """What a task asks about itself: `/v4/NAME`, `/v4/NAME/task`."""
        name = path.split("/")[2]
        if path.endswith("/task"):
            return {"Cluster": CLUSTER, "TaskARN": self._arn(name)}
        return {"Name": name}

    def start(self, name: str, command: list[str], **more: str) -> None:
        """Start a container of the server's task, or the task of a run."""
        more |= signed_by("server" if name in SERVER else "run")
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[self._arn(name)] = subprocess.Popen(
                command, env={**self.environment, **more}, cwd=self.folder, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """Lose a task, with all of its processes, as Fargate loses one."""
        process = self.processes[self._arn(name)]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def runs(self) -> list[str]:
        """Names of the tasks that were started for runs, in their order."""
        return [f"run-{number}" for number in range(len(self.started))]

    def log(self, name: str) -> str:
        """What a task wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def describe_task_definition(self, taskDefinition: str) -> dict[str, Any]:  # noqa: N803
        container = {"name": "run", "environment": [], "logConfiguration": {"options": {}}}
        return {
            "taskDefinition": {
                "taskDefinitionArn": taskDefinition, "containerDefinitions": [container],
            }
        }  # fmt: skip

    def run_task(self, **given: Any) -> dict[str, Any]:
        (override,) = given["overrides"]["containerOverrides"]
        name = f"run-{len(self.started)}"
        self.started.append(given)
        more = {pair["name"]: pair["value"] for pair in override.get("environment", ())}
        self.start(name, override["command"], **more)
        return {"tasks": [self._described(self._arn(name))], "failures": []}

    def describe_tasks(self, tasks: list[str], cluster: str) -> dict[str, Any]:
        assert cluster == CLUSTER
        return {"tasks": [self._described(arn) for arn in tasks], "failures": []}

    def stop_task(self, task: str, cluster: str, **_: Any) -> dict[str, Any]:
        self.stopped.append(task)
        os.killpg(self.processes[task].pid, signal.SIGTERM)
        return {"task": self._described(task)}

    def stop(self) -> None:
        """End every process."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _arn(self, name: str) -> str:
        return arn("ecs", f"task/prod-ecommerce/{name}")

    def _described(self, arn: str) -> dict[str, Any]:
        code = self.processes[arn].poll()
        container = {"name": "run"} if code is None else {"name": "run", "exitCode": abs(code)}
        details = [{"name": "subnetId", "value": "subnet-0"},
                   {"name": "networkInterfaceId", "value": self.interface}]  # fmt: skip
        return {
            "taskArn": arn,
            "clusterArn": CLUSTER,
            "taskDefinitionArn": RUN_TASK,
            "launchType": "FARGATE",
            "lastStatus": "RUNNING" if code is None else "STOPPED",
            "stopCode": "" if code is None else "EssentialContainerExited",
            "stoppedReason": "" if code is None else "Essential container in task exited",
            "containers": [container],
            "attachments": [{"type": "ElasticNetworkInterface", "details": details}],
        }


@dataclass(frozen=True)
class Database:
    """RDS as it is after Terraform: a database, its own user, no tables.

    Attributes:
        port: where it listens.
        certificate: file of the certificate that it is known by.
    """

    port: int
    certificate: Path


def postgres_programs() -> Path | None:
    """The folder of Postgres's programs; None if it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    if shutil.which("pg_config") is None:
        return None
    told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
    folder = Path(told.stdout.strip())
    return folder if (folder / "initdb").exists() else None  # the client alone has pg_config, too


@contextmanager
def postgres(folder: Path) -> Iterator[Database]:
    """A Postgres server with TLS, in which whoever is a member of `rds_iam` signs in by a token.

    Which token is not looked at: only AWS could tell.
    """
    programs = postgres_programs()
    assert programs is not None
    folder.mkdir()
    certificate, key = folder / "server.crt", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    own: dict[str, Any] = {}
    if os.geteuid() == 0:  # Postgres refuses to be run by root
        own = {"user": "postgres"}
        for parent in folder.parents:
            if parent.is_relative_to("/tmp/") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)
        for path in (folder, certificate, key):
            shutil.chown(path, "postgres", "postgres")
    data, port = folder / "data", free_port()
    password = folder / "password"
    password.write_text(MASTER["password"])
    subprocess.run(
        [programs / "initdb", "--pgdata", data, "--username", MASTER["username"],
         "--pwfile", password, "--auth", "scram-sha-256", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **own,
    )  # fmt: skip
    (data / "pg_hba.conf").write_text(
        "hostssl all +rds_iam all trust\nhostssl all all all scram-sha-256\n"
    )
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off",
         "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on",
         "-c", f"ssl_cert_file={certificate}", "-c", f"ssl_key_file={key}"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("w"), **own,
    )  # fmt: skip
    try:
        _wait_for(port)
        _as_rds_has_it(port)
        yield Database(port, certificate)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _connect(port: int, database: str) -> Any:
    return psycopg2.connect(host="127.0.0.1", port=port, user=MASTER["username"],
                            password=MASTER["password"], dbname=database)  # fmt: skip


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            _connect(port, "postgres").close()
            return
        except psycopg2.OperationalError:
            time.sleep(0.1)
    raise AssertionError("Postgres did not start")


def _as_rds_has_it(port: int) -> None:
    connection = _connect(port, "postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE rds_iam")
        cursor.execute("CREATE DATABASE dagster")
    connection.close()
