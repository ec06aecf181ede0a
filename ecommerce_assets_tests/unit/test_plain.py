"""Plain CSV files as Arrow reads them: the rows of the strict reader, or nothing."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.landing import plain
from ecommerce_assets.landing.layout import RESCUED
from ecommerce_assets.landing.plain import plain_records
from ecommerce_assets.landing.records import read_records
from ecommerce_assets.landing.source import Source

CONTRACT = {"id": True, "name": True, "note": False}
SOURCE = Source("t", CONTRACT, "t")
Rows = list[dict[str, str | None]]


def read_plain(data: bytes) -> tuple[Rows, list[str | None]] | None:
    table = plain_records(data, SOURCE)
    if table is None:
        return None
    rescued = table[RESCUED].to_pylist()
    rows = table.drop_columns([RESCUED]).to_pylist()
    return [{**dict.fromkeys(CONTRACT), **row} for row in rows], rescued


def read_strictly(data: bytes) -> tuple[Rows, list[str | None]] | str:
    """The rows and what was rescued; or the error."""
    rows: Rows = []
    rescued: list[str | None] = []
    try:
        for _, columns, kept in read_records("f.csv", io.BufferedReader(io.BytesIO(data)), SOURCE):
            rows += [{name: columns[name][i] for name in CONTRACT} for i in range(len(kept))]
            rescued += kept
    except PipelineError as error:
        return str(error)
    return rows, rescued


PIECES = (
    "a", "1", "Zoë", "", " ", "\t", "\x00", "\x0b", "\x85", "\u2028", "\ufeff", '"', "\\", "#", "NULL",
    ",", ",", ",", "a,b\n", "1,2,3\n", "\n", "\n", "\r\n", "\r",
)  # fmt: skip
HEADERS = (
    "id,name\n", "id,name,note\n", "note, id ,name\r\n", "\ufeffid,name\n", "id,name,vip\n", "id\n",
    "id,name,id\n", "name,note\n", "", "\n", "id,na\x00me\n",
)  # fmt: skip


@settings(max_examples=1500)
@given(
    header=st.sampled_from(HEADERS),
    body=st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    block=st.sampled_from((8, 1 << 20)),
)
def test_the_rows_of_the_strict_reader_or_nothing(header: str, body: str, block: int) -> None:
    data = (header + body).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "BLOCK", block)
        patch.setattr(plain, "MOST_BROKEN", 100)
        found = read_plain(data)
    if found is not None:
        assert read_strictly(data) == found


@pytest.mark.parametrize(
    "data",
    [
        b"id,name\n1,a\n2,b\n",
        b"id,name\r\n1,a\r\n\r\n2,b",
        b"id,name\n1,a\r2,b\r",
        b"\xef\xbb\xbfnote, id ,name\nx,1,\n",
        b"id,name,note\n1, a ,NULL\n2,,nan\n",
        b"id,name\n" + b"1,a\n" * 30 + b"2\n \n\r\n3,b,c,d\n" + b"4,d\n" * 30 + b",,\n5,e",
    ],
)
def test_ordinary_files_are_plain(data: bytes) -> None:
    assert read_plain(data) == read_strictly(data)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'id,name\n1,"a"\n', id="quotes"),
        pytest.param(b"id,name\n1,\xff\n", id="not UTF-8"),
        pytest.param(b"id,n\xff\n1,a\n", id="a header that is not UTF-8"),
        pytest.param(b"id,name\n1,a\n2,b\n3\n", id="many records with too few fields"),
        pytest.param(b"id,name\n" + b"1,a\n" * 50 + b"2", id="a record that may be cut off"),
        pytest.param(b"id,name\n1\n2,a\xff,c\n", id="too many fields that are not UTF-8"),
        pytest.param(b"id,name,vip\n1,a,b\n", id="an unknown column"),
        pytest.param(b"id\n1\n", id="a required column is missing"),
        pytest.param(b"id,name\n", id="only a header"),
        pytest.param(b"", id="empty"),
        pytest.param(b"id,name\n\xef\xbb\xbf1,a\n", id="a byte order mark in front of the records"),
    ],
)
def test_anything_else_is_left_to_the_strict_reader(data: bytes) -> None:
    assert read_plain(data) is None
