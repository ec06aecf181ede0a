"""A workaround for the slowness of py4j 0.10.9.7. Everything works without it, but slower."""

from typing import Any

REMEMBERED = (
    *[f"functions.{name}" for name in ("col", "expr", "lit", "sum", "when")],
    "PythonSQLUtils",
    "PythonUtils.toSeq",
    "SparkSession.getActiveSession",
    "py4j.reflection.TypeUtil.isInstanceOf",
    "org.apache.spark.sql.Observation",
    "org.apache.spark.sql.expressions.Window",
    "org.apache.spark.util.Utils.exceptionString",
)


def remember_classes(jvm: Any) -> None:
    """Cache the JVM's answers about frequently used classes and methods.

    py4j asks at each use, and the JVM then searches every jar for the class in each imported
    package: an eighth of a small run's time.
    """
    for path in REMEMBERED:
        parent = jvm
        for name in path.split("."):
            vars(parent).setdefault(name, getattr(parent, name))
            parent = vars(parent)[name]
