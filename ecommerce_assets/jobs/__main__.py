"""A job as a script: `python -m ecommerce_assets.jobs NAME OPTIONS`, and the jobs on Glue.

Errors that a user can mend are shown without a traceback; the exit code is then 1.
"""

import sys
from collections.abc import Sequence

from ecommerce_assets.deployment import deployment
from ecommerce_assets.errors import SHOWN_IN_LOG, PipelineError
from ecommerce_assets.jobs.maintenance import run_maintenance
from ecommerce_assets.jobs.reporting import show_progress
from ecommerce_assets.jobs.run import run_layer

MAINTENANCE = "maintenance"


def main(name: str, argv: Sequence[str]) -> None:
    """Run a job: of a layer, or maintenance."""
    show_progress()
    try:
        if name == MAINTENANCE:
            run_maintenance(argv)
        else:
            run_layer(name, argv)
    except PipelineError as error:
        sys.exit(f"{SHOWN_IN_LOG}{error}")


if __name__ == "__main__":
    names = tuple(deployment().jobs)
    if not set(sys.argv[1:2]) & set(names):
        sys.exit(f"usage: python -m ecommerce_assets.jobs {{{','.join(names)}}} OPTIONS")
    main(sys.argv[1], sys.argv[2:])
