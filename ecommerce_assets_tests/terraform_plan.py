"""What Terraform would create, as its own tests plan it: no account, nothing created."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecommerce_assets_tests.optional import missing

REPOSITORY = Path(__file__).parents[1]
HOW = (
    "To run these tests, install Terraform 1.9 or later and let `terraform -chdir=terraform init` "
    "reach the provider registry, or have a mirror of hashicorp/aws in TF_CLI_CONFIG_FILE"
)
DEFAULT = ("tests/default.tftest.hcl", "default")
DAGSTER = ("tests/dagster.tftest.hcl", "dagster")
STAND_IN = REPOSITORY.parent / "shared" / "terraform" / "setup"


@dataclass(frozen=True)
class Planned:
    """A run of `terraform test`.

    Attributes:
        passed: whether every test passed.
        output: what it printed.
        resources: by address, the values of what is planned without a single variable.
        environment: the settings that it puts out.
        dagster: as `resources`, with Dagster on AWS.
        all: the resources of every plan that the tests make, by file and run.
    """

    passed: bool
    output: str
    resources: dict[str, Any]
    environment: dict[str, str]
    dagster: dict[str, Any] = field(default_factory=dict)
    all: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def terraform_test(folder: Path) -> Planned:
    """Run Terraform's tests on a copy in `folder`, by a stand-in of the provider where it is."""
    if shutil.which("terraform") is None:
        missing(f"Terraform is not installed. {HOW}")
    shutil.copytree(REPOSITORY / "terraform", folder / "terraform",
                    ignore=shutil.ignore_patterns(".terraform*"))  # fmt: skip
    shutil.copytree(REPOSITORY / "ecommerce_assets", folder / "ecommerce_assets",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    environment = dict(os.environ)
    if STAND_IN.exists():
        made = subprocess.run([str(STAND_IN)], capture_output=True, text=True, check=True)
        environment["TF_CLI_CONFIG_FILE"] = made.stdout.strip().splitlines()[-1]

    def terraform(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *words], cwd=folder / "terraform", env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = terraform("init", "-backend=false", "-no-color")
    if done.returncode:
        missing(f"Terraform could not fetch its AWS provider: {done.stderr.strip()[-300:]}. {HOW}")
    done = terraform("validate", "-no-color")
    if done.returncode:
        return Planned(False, done.stdout + done.stderr, {}, {})
    done = terraform("test", "-verbose", "-json")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    plans = {
        (m["@testfile"], m["@testrun"]): m["test_plan"]
        for m in messages
        if m["type"] == "test_plan"
    }
    said = "\n".join(str(m["@message"]) for m in messages if m["type"] != "test_plan")
    if DEFAULT not in plans:
        return Planned(False, said, {}, {})
    settings = plans[DEFAULT]["output_changes"]["environment"]["after"]
    return Planned(
        done.returncode == 0,
        said,
        _resources(plans[DEFAULT]),
        dict(line.split("=", 1) for line in settings.splitlines()),
        _resources(plans.get(DAGSTER, {})),
        {run: _resources(plan) for run, plan in plans.items()},
    )


def _resources(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        change["address"]: change["change"]["after"] for change in plan.get("resource_changes", [])
    }
