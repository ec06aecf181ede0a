"""Glue job ecommerce-silver-transformation: bronze tables as clean, current silver tables."""

from collections.abc import Sequence

from ecommerce_assets.jobs.run import run_as_script, run_layer

LAYER = "silver"


def main(argv: Sequence[str] | None = None) -> None:
    """Materialize silver tables for a range of ingestion dates.

    Args:
        argv: `--tables a,b --from D --to D`; the process's arguments when left out.

    Raises:
        PipelineError: wrong arguments, or tables that failed.
    """
    run_layer(LAYER, argv)


if __name__ == "__main__":
    run_as_script(LAYER)
