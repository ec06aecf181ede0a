"""What is derived from the code is kept between processes, and never taken for something else."""

import os
from pathlib import Path
from typing import Any

import pytest

from ecommerce_assets import derived as module
from ecommerce_assets.derived import KEPT_SECONDS, Derived
from ecommerce_assets.tables import all_tables


def never() -> Any:
    raise AssertionError("it is known")


def test_what_is_known_is_not_derived_again(tmp_path: Path) -> None:
    file = tmp_path / "a" / "derived-1.json"
    one, other = Derived(file), Derived(file)
    assert one.get("length", ("text", 1), lambda: 4) == 4
    assert one.get("length", ("text", 1), never) == 4
    assert other.get("length", ("texts", 1), lambda: 5) == 5
    assert other.get("width", ("text", 1), lambda: [6]) == [6]
    one.keep()
    other.keep()
    later = Derived(file)
    assert later.get("length", ("text", 1), never) == 4
    assert later.get("length", ("texts", 1), never) == 5
    assert later.get("width", ("text", 1), never) == [6]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_error_is_not_kept(tmp_path: Path) -> None:
    found = Derived(tmp_path / "derived-1.json")
    with pytest.raises(AssertionError):
        found.get("length", "text", never)
    assert found.get("length", "text", lambda: 4) == 4


@pytest.mark.parametrize("content", ["", '{"a": ', "[1]", "\x00"])
def test_a_file_that_is_no_good_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "derived-1.json"
    file.write_text(content)
    found = Derived(file)
    assert found.get("length", "text", lambda: 4) == 4
    found.keep()
    assert Derived(file).get("length", "text", never) == 4


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for file in (None, tmp_path / "file" / "derived-1.json"):
        found = Derived(file)
        assert found.get("length", "text", lambda: 4) == 4
        found.keep()
        assert Derived(file).get("length", "text", lambda: 5) == 5


def test_what_nobody_wrote_for_a_week_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "derived-1.json", tmp_path / "derived-2.json"
    for file in (old, new):
        file.touch()
    os.utime(old, (0, old.stat().st_mtime - KEPT_SECONDS - 60))
    found = Derived(tmp_path / "derived-3.json")
    found.get("length", "text", lambda: 4)
    found.keep()
    assert not old.exists()
    assert new.exists()


def test_other_code_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = module._file()
    monkeypatch.setattr(module, "digest", lambda: "other")
    assert here is not None
    assert here.parent == tmp_path / "ecommerce_assets"
    assert module._file() not in (None, here)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "code.zip")
    assert module._file() is None


def test_what_is_kept_is_what_would_be_derived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every table: its code version and its lineage."""
    from ecommerce_assets import code_version
    from ecommerce_assets.tables import queries

    kept = {
        name: (
            code_version.code_version(*table.decides_rows),
            queries.lineage_of(table, all_tables()),
        )
        for name, table in all_tables().items()
    }
    anew = Derived(None)
    monkeypatch.setattr(queries, "derived", anew)
    monkeypatch.setattr(code_version, "_versions", code_version.CodeVersions(derived=anew.get))
    assert kept == {
        name: (
            code_version.code_version(*table.decides_rows),
            queries.lineage_of(table, all_tables()),
        )
        for name, table in all_tables().items()
    }
