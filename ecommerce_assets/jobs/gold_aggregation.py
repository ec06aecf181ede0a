"""Glue job ecommerce-gold-aggregation: silver tables as the star schema and the KPIs."""

from collections.abc import Sequence

from ecommerce_assets.jobs.run import run_as_script, run_layer

LAYER = "gold"


def main(argv: Sequence[str] | None = None) -> None:
    """Materialize gold tables for a range of ingestion dates.

    Args:
        argv: `--tables a,b --from D --to D`; the process's arguments when left out.

    Raises:
        PipelineError: wrong arguments, or tables that failed.
    """
    run_layer(LAYER, argv)


if __name__ == "__main__":
    run_as_script(LAYER)
