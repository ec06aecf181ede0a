"""CSV files as shops write them: RFC 4180, and what is refused."""

import gzip
import io
import json
import tarfile
from datetime import date
from pathlib import Path

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing import records
from ecommerce_assets.landing.files import delivered_bytes
from ecommerce_assets.landing.source import Dialect, Source

SOURCE = Source("t", {"id": True, "name": True, "note": False}, "t")


def read(data: bytes, name: str = "t/f.csv", source: Source = SOURCE) -> list[tuple]:
    rows = []
    for number, columns, rescued in records.read_records(
        name, io.BufferedReader(io.BytesIO(data)), source
    ):
        for i, kept in enumerate(rescued):
            rows.append((number + i, *[values[i] for values in columns.values()],
                         kept and json.loads(kept)))  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"id,name\n1,a\n", [(1, "1", "a", None, None)], id="absent optional is null"),
        pytest.param(b"note,id,name\nx,1,a\n", [(1, "1", "a", "x", None)], id="any order"),
        pytest.param(b" id , name\n 1 ,a\n", [(1, " 1 ", "a", None, None)],
                     id="names trimmed, values as received"),
        pytest.param(b"\xef\xbb\xbfid,name\n1,a\n", [(1, "1", "a", None, None)], id="BOM"),
        pytest.param(b"id,name\r\n1,a\r\n2,b", [(1, "1", "a", None, None), (2, "2", "b", None, None)],
                     id="CRLF, no newline at the end"),
        pytest.param(b'id,name\n1,"a, ""b""\nc"\n2,d\n',
                     [(1, "1", 'a, "b"\nc', None, None), (2, "2", "d", None, None)],
                     id="quoted comma, quote, newline"),
        pytest.param(b"\nid,name\n\n1,a\n  \n2,b\n",
                     [(1, "1", "a", None, None), (2, "2", "b", None, None)], id="blank lines"),
        pytest.param(b"id,name,vip\n1,a,\n", [(1, "1", "a", None, {"vip": ""})], id="unknown column"),
        pytest.param(b"id,name\n1,a,b,c\n2,d\n",
                     [(1, "1", "a", None, {"_surplus_fields": ["b", "c"]}), (2, "2", "d", None, None)],
                     id="too many fields"),
        pytest.param(b"id,name,note\n1\n", [(1, "1", None, None, None)], id="too few fields"),
        pytest.param(b"", [], id="empty file"),
        pytest.param(b"id,name\n", [], id="only a header"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbfid,name\n1,a\n", [(1, "1", "a", None, None)], id="two BOMs"),
        pytest.param(b"id,name,note\n1,a,b\n2,c", [(1, "1", "a", "b", None), (2, "2", "c", None, {"_cut_off": True})],
                     id="cut off in the last record"),
        pytest.param(b"id,name,note\n1,a,b\n2,c\n", [(1, "1", "a", "b", None), (2, "2", "c", None, None)],
                     id="a short last record"),
        pytest.param(b"id,name,note\n,,\n1,a,b\n , ,\n2,c,\n",
                     [(1, "1", "a", "b", None), (2, "2", "c", "", None)], id="delimiters only"),
        pytest.param(b"id,name,,\n1,a,,\n2,b,x,\n",
                     [(1, "1", "a", None, None), (2, "2", "b", None, {"_field_3": "x"})],
                     id="fields without a name"),
        pytest.param(b"id,name,a,a\n1,x,2,3\n", [(1, "1", "x", None, {"a": "2", "a (2)": "3"})],
                     id="a name twice that nobody reads"),
        pytest.param(b"id,name,a,b (2),b,b\n1,x,2,3,4,5\n",
                     [(1, "1", "x", None, {"a": "2", "b (2)": "3", "b": "4", "b (3)": "5"})],
                     id="a name that another one would get"),
        pytest.param(b"sep=;\r\nid;name\r\n1;a,b\r\n", [(1, "1", "a,b", None, None)], id="sep"),
        pytest.param(b'id,name,note\n1,"a,b\n2,c,d\n3,e",f\n4,"g, h\ni",j\n',
                     [(1, "1", "a,b\n2,c,d\n3,e", "f", {"_stray_quote": True}), (2, "4", "g, h\ni", "j", None)],
                     id="a stray quote"),
    ],
)  # fmt: skip
def test_rows_as_received(data: bytes, expected: list) -> None:
    assert read(data) == expected


def test_gzip() -> None:
    assert read(gzip.compress(b"id,name\n1,a\n"), "t/f.csv.gz") == [(1, "1", "a", None, None)]


def test_row_numbers_run_on_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BATCH", 2)
    assert [row[0] for row in read(b"id,name\n" + b"1,a\n" * 5)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"id,note\n1,a\n", "t/f.csv: the header lacks the required column name",
                     id="missing column"),
        pytest.param(b"x\n1\n", "required columns id, name", id="missing columns"),
        pytest.param(b"id,name,id\n1,a,2\n", "names id more than once", id="column twice"),
        pytest.param("id,name\n1,J\xfcrgen\n".encode("latin-1"), "t/f.csv: not UTF-8", id="Latin-1"),
        pytest.param(b'id,name\n1,"a\n2,b\n', "t/f.csv: not CSV at line 3", id="open quote"),
        pytest.param(b'id,name\n1,"a"b\n', "t/f.csv: not CSV at line 2", id="text behind quote"),
        pytest.param(b"id;name\n1;a\n", "separated by semicolons", id="semicolons"),
        pytest.param(b"id\tname\n1\ta\n", "separated by tabs", id="tabs"),
        pytest.param(b"<html>\n", "looks like an HTML or XML page", id="a page"),
        pytest.param(b"ID,Name\n1,a\n", "ID, Name should be id, name", id="upper case"),
        pytest.param(b'id,name\n1,a\n2,"b\n3,c\n4,d"e\n',
                     "not CSV at line 5: .*; the record begins at line 3, where a quote opens a field that "
                     "goes on for 3 lines. Is it a stray quote", id="a quote that swallows lines"),
        pytest.param("id,name\n".encode("utf-16"), "it looks like UTF-16: set the source's `encoding`", id="UTF-16"),
        pytest.param("id,name\n".encode("utf-16-le"), "not text; it looks like UTF-16", id="UTF-16 without a mark"),
        pytest.param("id,name\n".encode("utf-16-be"), "not text; it looks like UTF-16", id="UTF-16 BE"),
        pytest.param(b"PK\x03\x04\x14\x00\x00\n1,a\n", "not text; it looks like a zip archive or an Excel", id="Excel"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00", "t/f.csv: not UTF-8", id="a picture"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_named(data: bytes, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        read(data)


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_lines_as_an_editor_counts_them(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    data = b'\n id,name\n1,"a\nb"\n\n2,c\r\n3,d\n'
    assert [
        records.line_of("t.csv", io.BytesIO(data), number, Dialect()) for number in (1, 2, 3, 4)
    ] == [
        3,
        6,
        7,
        None,
    ]
    monkeypatch.setattr(records, "BATCH", batch)
    assert [row[0] for row in read(data)] == [1, 2, 3]


@pytest.mark.parametrize("data", [b"id,name\n", gzip.compress(b"id,name\n1,a\n", mtime=0)[:-9]])
def test_broken_gzip(data: bytes) -> None:
    with pytest.raises(PipelineError, match=r"t/f.csv.gz: not a complete gzip file"):
        read(data, "t/f.csv.gz")


def test_the_size_of_the_deliveries_of_some_dates(tmp_path: Path) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        folder = tmp_path / "orders" / f"ingestion_date={day}"
        folder.mkdir(parents=True)
        (folder / "orders.csv").write_text("x" * int(day[-1]))
    assert delivered_bytes(str(tmp_path), date(2024, 1, 2), date(2024, 1, 3)) == 5
    assert delivered_bytes("s3://bucket/landing", date(2024, 1, 2), date(2024, 1, 3)) == 0


def dialect(**how: object) -> Source:
    return Source("t", SOURCE.columns, "t", dialect=Dialect(**how))


@pytest.mark.parametrize(
    ("source", "data", "expected"),
    [
        pytest.param(dialect(escape="\\"), b'id,name,note\n1,"a \\"b\\", c",\\N\n\\N,N\\,x,"\\\\N"\n',
                     [(1, "1", 'a "b", c', "", None), (2, "", "N,x", "\\N", None)], id="backslashes"),
        pytest.param(dialect(header=("id", "name", "vip")), b"1,a,y\n2,b,n\n",
                     [(1, "1", "a", None, {"vip": "y"}), (2, "2", "b", None, {"vip": "n"})], id="no header"),
        pytest.param(dialect(header=("id", "name"), skip_lines=1), b"Export\n1,a\n", [(1, "1", "a", None, None)],
                     id="a title and no header"),
        pytest.param(dialect(encoding="utf-16"), "id,name\n1,ä\n".encode("utf-16-le"), [(1, "1", "ä", None, None)],
                     id="UTF-16 without a mark"),
        pytest.param(dialect(skip_lines=1), b"sep=;\nid;name\n1;a\n", [(1, "1", "a", None, None)], id="sep skipped"),
    ],
)  # fmt: skip
def test_other_dialects(source: Source, data: bytes, expected: list) -> None:
    assert read(data, source=source) == expected
    for number in range(1, len(expected) + 1):
        stream = io.BufferedReader(io.BytesIO(data))
        line = records.line_of("t.csv", stream, number, source.dialect)
        assert line is not None
        assert (
            line == len(data.decode(source.dialect.encoding).splitlines()) - len(expected) + number
        )


def test_what_is_not_text_is_named_without_a_header_too() -> None:
    with pytest.raises(PipelineError, match="not text; it looks like UTF-16"):
        read("1,a\n2,b\n".encode("utf-16-le"), source=dialect(header=("id", "name")))


def test_gzip_that_is_cut_is_named_in_any_encoding() -> None:
    cut = gzip.compress("id,name\n1,a\n".encode("utf-16"))[:12]
    for data in (cut, b"id,name\n"):
        with pytest.raises(PipelineError, match="not a complete gzip file"):
            read(data, "t/f.csv.gz", dialect(encoding="utf-16"))
        stream = io.BufferedReader(io.BytesIO(data))
        assert records.line_of("t/f.csv.gz", stream, 1, Dialect(encoding="utf-16")) is None


def test_a_tar_archive_within_gzip_is_named() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("orders.csv")
        info.size = 8
        archive.addfile(info, io.BytesIO(b"id,name\n"))
    with pytest.raises(PipelineError, match="a tar archive within gzip: unpack it"):
        read(packed.getvalue(), "t/orders.csv.gz")
