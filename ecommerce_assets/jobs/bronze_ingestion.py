"""Glue job ecommerce-bronze-ingestion: landed CSV files as bronze tables."""

from collections.abc import Sequence

from ecommerce_assets.jobs.run import run_as_script, run_layer

LAYER = "bronze"


def main(argv: Sequence[str] | None = None) -> None:
    """Materialize bronze tables for a range of ingestion dates.

    Args:
        argv: `--tables a,b --from D --to D`; the process's arguments when left out.

    Raises:
        PipelineError: wrong arguments, or tables that failed.
    """
    run_layer(LAYER, argv)


if __name__ == "__main__":
    run_as_script(LAYER)
