"""The entry points of the jobs, by layer."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ecommerce_assets.deployment import deployment


def job_module(layer: str) -> Any:
    """The module of a layer's job, by the entry script that is deployed; its `main` runs it."""
    return import_module(f"ecommerce_assets.jobs.{Path(deployment().jobs[layer].script).stem}")
