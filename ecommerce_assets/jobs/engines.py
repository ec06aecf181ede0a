"""The engine of a job run."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from ecommerce_assets.engine import translation
from ecommerce_assets.engine.relation import Engine
from ecommerce_assets.lakehouse.catalog import Lakehouse


@contextmanager
def open_engine(
    name: str, lakehouse: Lakehouse, reads: Iterable[str] = (), delivered: int = 0
) -> Iterator[Engine]:
    """An engine over the tables of a lakehouse.

    Args:
        name: `duckdb` or `spark`.
        reads: the identifiers of tables that it will read.
        delivered: bytes of deliveries that it will read.
    """
    translation.load(name)
    if name == "duckdb":
        from ecommerce_assets.engine.embedded import EmbeddedEngine

        with closing(EmbeddedEngine(lakehouse)) as engine:
            yield engine
        return
    from ecommerce_assets.engine.spark import SparkEngine, fit_shuffles
    from ecommerce_assets.engine.spark_session import open_session

    spark = open_session(lakehouse.location, lakehouse.environment, delivered)
    fit_shuffles(spark, lakehouse, reads, delivered)
    yield SparkEngine(spark)


def why_engine_ended(name: str) -> str:
    """The reason if the process in which an engine computes has died; nothing if it has not."""
    if name != "spark":
        return ""
    from ecommerce_assets.engine.spark_session import why_jvm_ended

    return why_jvm_ended()
