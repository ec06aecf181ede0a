"""Stand-ins for AWS: moto's server for S3, Athena, logs and the Data Catalog, and a fake Glue that
runs jobs.
"""

import base64
import logging
import shlex
import subprocess
import threading
import venv
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3
import py4j
import pyspark
import requests
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from ecommerce_assets.aws import release
from ecommerce_assets.deployment import deployment
from ecommerce_assets.engine.java import fetched, jars, java_home
from ecommerce_assets_tests.iam import ACCOUNT, REGION, Recorder, signed_by

AWS_BUNDLE = "org.apache.iceberg:iceberg-aws-bundle:1.10.0"


@contextmanager
def moto_server(recorder: Recorder | None = None) -> Iterator[dict[str, str]]:
    """moto's server; yields the environment in which boto3 and the AWS SDKs talk to it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    if recorder:
        server._server.app = recorder.around(server._server.app)
    host, port = server.get_host_and_port()
    # Servers of one process share their state: what an earlier one left is forgotten.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }
    finally:
        server.stop()


ENVIRONMENT = "prod"  # Terraform's own default
# As Terraform names them.
BUCKETS = {
    name: f"{ENVIRONMENT}-ecommerce-{ACCOUNT}-{REGION}-{name}"
    for name in ("landing", "lakehouse", "artifacts", "results")
}


def deployed_settings() -> dict[str, str]:
    """The settings that a deployment puts out, by deployment.json, for the buckets here."""
    storage = deployment(ENVIRONMENT).storage
    return {
        "ECOMMERCE_DEPLOYMENT": "aws",
        "ECOMMERCE_ENVIRONMENT": ENVIRONMENT,
        "ECOMMERCE_LANDING": f"s3://{BUCKETS['landing']}/{storage['landing']}",
        "ECOMMERCE_LAKEHOUSE": f"s3://{BUCKETS['lakehouse']}",
        "ECOMMERCE_ARTIFACTS": f"s3://{BUCKETS['artifacts']}",
        "ECOMMERCE_DASHBOARD": f"s3://{BUCKETS['results']}/{storage['dashboard']}/sales.html",
        "ECOMMERCE_WORKGROUP": deployment(ENVIRONMENT).athena["workgroup"],
    }


def deployed_arguments(job: str) -> dict[str, str]:
    """The default arguments of a job, by deployment.json; that Terraform has the same is tested."""
    events = deployment().storage["spark_events"]
    return {
        **deployment().arguments,
        "--custom-logGroup-prefix": deployment(ENVIRONMENT).storage["log_group"],
        "--environment": ENVIRONMENT,
        "--lakehouse": deployed_settings()["ECOMMERCE_LAKEHOUSE"],
        "--spark-event-logs-path": f"s3://{BUCKETS['artifacts']}/{events}/{job}/",
    }


def fixed_arguments() -> dict[str, str]:
    """The arguments of each job that no run can say otherwise."""
    return {
        "--conf": deployment().conf(deployed_settings()["ECOMMERCE_LAKEHOUSE"]),
        "--python-modules-installer-option": "--no-index",
    }


def publish_code(bucket: str) -> None:
    """Publish the running code; of the packages that Glue would install, only their checksum."""
    this, s3 = release.this_release(), boto3.client("s3")
    place, digest = f"releases/{this.id}", base64.b64encode(bytes.fromhex(this.wheels.archive))
    s3.put_object(
        Bucket=bucket, Key=f"{place}/{release.WHEELS}", ChecksumAlgorithm="SHA256",
        ChecksumSHA256=digest.decode(),
    )  # fmt: skip
    for name, content in {**this.code, release.MANIFEST: b"{}"}.items():
        s3.put_object(
            Bucket=bucket, Key=f"{place}/{name}", Body=content,
            ChecksumAlgorithm="SHA256",
        )  # fmt: skip


def client_error(code: str, status: int = 400, message: str = "") -> ClientError:
    """An error as boto3 raises it."""
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Call")


class Faulty:
    """A boto3 client whose calls fail as a test says: by call, errors at its next uses."""

    def __init__(self, client: Any, **faults: list[Exception | None]) -> None:
        self._client, self._faults = client, faults
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.calls[name] += 1
            fault = self._faults[name].pop(0) if self._faults.get(name) else None
            if fault is not None:
                raise fault
            return getattr(self._client, name)(*given, **named)

        return getattr(self._client, name) if name == "meta" else call


@dataclass
class FakeRun:
    """A job run of the fake Glue."""

    id: str
    arguments: dict[str, str]
    states: list[str]
    error: str = ""
    told: int = 0

    @property
    def state(self) -> str:
        """The state at this poll."""
        return self.states[min(self.told, len(self.states) - 1)]


@dataclass
class FakeGlue:
    """A Glue with boto3's shape, whose runs do what a test says.

    Attributes:
        work: called with the run when it starts; sets what becomes of it.
        faults: by call, errors to raise at its next uses; None lets a use pass.
    """

    work: Callable[[FakeRun], None]
    faults: dict[str, list[Exception | None]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, FakeRun] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    stopped: list[str] = field(default_factory=list)
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name=REGION))

    def start_job_run(self, JobName: str, Arguments: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        self._called("start_job_run")
        run = FakeRun(f"jr_{len(self.runs)}", dict(Arguments), ["SUCCEEDED"])
        self.runs[run.id] = run
        self.work(run)
        return {"JobRunId": run.id}

    def get_job_run(self, JobName: str, RunId: str) -> dict[str, Any]:  # noqa: N803
        self._called("get_job_run")
        run = self.runs[RunId]
        told = self._told(run)
        run.told += 1
        return {"JobRun": told}

    def get_job_runs(self, JobName: str, NextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        self._called("get_job_runs")
        newest_first = list(self.runs.values())[::-1]
        number = int(NextToken)
        page: dict[str, Any] = {"JobRuns": [self._told(run) for run in newest_first[number:][:1]]}
        if number + 1 < len(newest_first):
            page["NextToken"] = str(number + 1)
        return page

    def batch_stop_job_run(self, JobName: str, JobRunIds: list[str]) -> dict[str, Any]:  # noqa: N803
        self._called("batch_stop_job_run")
        self.stopped += JobRunIds
        return {"SuccessfulSubmissions": [], "Errors": []}

    def _called(self, name: str) -> None:
        self.calls[name] += 1
        fault = self.faults[name].pop(0) if self.faults[name] else None
        if fault is not None:
            raise fault

    def _told(self, run: FakeRun) -> dict[str, Any]:
        ended = run.state not in {"STARTING", "RUNNING", "WAITING", "STOPPING"}
        return {
            "Id": run.id,
            "JobRunState": run.state,
            "Arguments": run.arguments,
            "StartedOn": datetime.now(UTC),
            "ErrorMessage": run.error,
            "ExecutionTime": 90 if ended else 0,
            "WorkerType": "G.1X",
            "NumberOfWorkers": 2,
            "ExecutionClass": "STANDARD",
        }


class ProcessGlue(FakeGlue):
    """A Glue that runs each job as a process of its own, in Glue's Python environment.

    On its path are the modules that Glue has and the published artifacts, nothing else; its
    arguments are those of the deployed job and of the run. Only endpoints are added.
    """

    def __init__(
        self, folder: Path, jobs: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        super().__init__(self._begin)
        self.folder, self.jobs, self.environment = folder, jobs, dict(environment)
        self.python = _glue_python(folder / "glue")
        self.outputs: dict[str, str] = {}
        self._installed: set[str] = set()

    def start_job_run(self, JobName: str, Arguments: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        job = self.jobs[JobName]
        fixed = job["non_overridable_arguments"]
        # Whether Glue refuses such a run or goes its own way is not documented.
        assert not fixed.keys() & Arguments.keys(), "a run says otherwise than its job insists on"
        given = {**job["default_arguments"], **Arguments, **fixed}
        answer = super().start_job_run(JobName, given)
        # What Glue tells of a run is what the run was given.
        self.runs[answer["JobRunId"]].arguments = dict(Arguments)
        return answer

    def _begin(self, run: FakeRun) -> None:
        run.states = ["RUNNING"]
        arguments = dict(run.arguments)
        threading.Thread(target=self._work, args=(run, arguments), daemon=True).start()

    def _work(self, run: FakeRun, arguments: dict[str, str]) -> None:
        try:
            self._work_through(run, arguments)
        except BaseException as error:
            # As Glue, which tells of what keeps a run from starting.
            run.error, run.states = f"{type(error).__name__}: {error}", ["ERROR"]

    def _work_through(self, run: FakeRun, arguments: dict[str, str]) -> None:
        done = subprocess.run(
            self._command(run, arguments), env=self._environment(arguments), text=True,
            capture_output=True, cwd=self.folder, check=False,
        )  # fmt: skip
        self.outputs[run.id] = done.stdout + done.stderr
        if done.returncode:
            run.error = (done.stderr.strip().splitlines() or ["no output"])[-1]
        run.states = ["FAILED" if done.returncode else "SUCCEEDED"]

    def _command(self, run: FakeRun, arguments: dict[str, str]) -> list[str]:
        script = self._fetched(arguments["--scriptLocation"], role_of(arguments))
        passed = [word for pair in arguments.items() if pair[0] not in GLUES_OWN for word in pair]
        return [str(self.python), str(script), "--JOB_NAME", "job", "--JOB_RUN_ID", run.id, *passed]

    def _environment(self, arguments: Mapping[str, str]) -> dict[str, str]:
        role = role_of(arguments)
        code = self._fetched(arguments["--extra-py-files"], role)
        self._install(arguments)
        conf = arguments["--conf"].split(" --conf ")
        catalog = "spark.sql.catalog.lakehouse"
        endpoint = self.environment["AWS_ENDPOINT_URL"]
        class_path = ":".join(map(str, [*jars(), fetched(AWS_BUNDLE)]))
        conf += [
            "spark.master=local[2]", "spark.ui.enabled=false", "spark.sql.shuffle.partitions=2",
            f"spark.driver.extraClassPath={class_path}", "spark.driver.host=127.0.0.1",
            "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:MetaspaceSize=256m",
            f"{catalog}.glue.endpoint={endpoint}", f"{catalog}.s3.endpoint={endpoint}",
            f"{catalog}.s3.path-style-access=true",
        ]  # fmt: skip
        return {
            **self.environment,
            **signed_by(role),
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "JAVA_HOME": java_home(),
            "PYTHONPATH": str(code),
            "PYICEBERG_CATALOG__LAKEHOUSE__S3__ENDPOINT": endpoint,
            "PYSPARK_PYTHON": str(self.python),
            "PYSPARK_SUBMIT_ARGS": " ".join(
                [*(f"--conf {shlex.quote(setting)}" for setting in conf),
                 f"--py-files {code}", "pyspark-shell"]
            ),
        }  # fmt: skip

    def _install(self, arguments: Mapping[str, str]) -> None:
        """As Glue does with a zip of wheels."""
        location = arguments["--additional-python-modules"]
        if location in self._installed:
            return
        with zipfile.ZipFile(self._fetched(location, role_of(arguments))) as archive:
            archive.extractall(self.folder / "modules")
        wheels = self.folder / "modules" / "wheels"
        options = arguments["--python-modules-installer-option"].split()
        _run(
            [str(self.python), "-m", "pip", "install", "--quiet", *options,
             "--find-links", str(wheels), "-r", str(wheels / "requirements.txt")]
        )  # fmt: skip
        self._installed.add(location)

    def _fetched(self, location: str, role: str) -> Path:
        """A file of a release, which Glue downloads in the name of the job."""
        parts = urlsplit(location)
        target = self.folder / "artifacts" / parts.path.strip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            keys = {name.lower(): value for name, value in signed_by(role).items()}
            s3 = boto3.client("s3", **keys)
            s3.download_file(parts.netloc, parts.path.strip("/"), str(target))
        return target


def role_of(arguments: Mapping[str, str]) -> str:
    """The job, as the deployment calls it, whose script a run is of."""
    script = arguments["--scriptLocation"].rsplit("/", 1)[1]
    return next(key for key, job in deployment().jobs.items() if job.script == script)


GLUES_OWN = {
    *deployment().arguments, "--conf", "--custom-logGroup-prefix", "--scriptLocation",
    "--extra-py-files", "--spark-event-logs-path",
    "--additional-python-modules", "--python-modules-installer-option",
}  # fmt: skip


def _glue_python(folder: Path) -> Path:
    """A Python with the modules that this version of Glue has, and no others."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pins = [f"{name}=={number}" for name, number in deployment().provided.items()]
    spark = next(pin for pin in pins if pin.startswith("pyspark=="))
    assert spark == f"pyspark=={pyspark.__version__}"
    _run([str(python), "-m", "pip", "install", "--quiet", *(pin for pin in pins if pin != spark)])
    packages = Path(
        _run([str(python), "-c", "import site; print(site.getsitepackages()[0])"]).strip()
    )
    for module in (pyspark, py4j):
        source = Path(str(module.__file__)).parent
        (packages / source.name).symlink_to(source)
    return python


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
