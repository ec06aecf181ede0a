"""What the version of a table's code follows from: what decides its rows, and nothing else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import pytest

from ecommerce_assets.code_version import CodeVersions, code_version, source_of
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.lakehouse.session import open_session
from ecommerce_assets.refresh import landed
from ecommerce_assets.refresh.full import Full
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.tables import all_tables
from ecommerce_assets.thresholds import Thresholds
from ecommerce_assets_tests.shop import Shop

TABLES = all_tables()
BRONZE = {name for name in TABLES if name.startswith("bronze.")}
SILVER = {name for name in TABLES if name.startswith("silver.")}
VERSIONED = {name for name in SILVER if not name.endswith("_quarantine")}
SUMS = {name for name, table in TABLES.items() if table.refresh.keeps_sums}
WHOLE = {name for name, table in TABLES.items() if isinstance(table.refresh, Full)}
DERIVED = set(TABLES) - BRONZE


@dataclass(frozen=True)
class Edit:
    """A change of a module's source, and the tables whose version it must change."""

    name: str
    module: str
    old: str
    new: str
    tables: Iterable[str] = ()

    def read(self, module: str) -> str:
        """The edited source of the module, and that of others as it is."""
        text = source_of(module)
        if module != f"ecommerce_assets.{self.module}":
            return text
        assert text.count(self.old) == 1, f"{self.old!r} is not, or not once, in {self.module}"
        return text.replace(self.old, self.new)


BEHAVIOUR = [
    Edit("reader of records", "landing.records", "MAX_FIELD = ", "MAX_FIELD = 1 + ", BRONZE),
    Edit("reader of plain files", "landing.plain", "strings_can_be_null=False",
         "strings_can_be_null=True", BRONZE),
    Edit("a constant whose attribute another module uses", "landing.records", '"\\ufeff"',
         '"\\ufffe"', BRONZE),
    Edit("frame of landed files", "landing.frame", "pa.repeat(file.source_file, rows)",
         "pa.repeat(file.source_file.upper(), rows)", BRONZE),
    Edit("fingerprints", "landing.files", "{file.source_file}", "{file.source_file}!", BRONZE),
    Edit("strategy: landed", "refresh.landed", "or known.get(day) != text", "or True", BRONZE),
    Edit("strategy: latest version", "refresh.latest_version", "unbeaten = ", "unbeaten = ~",
         VERSIONED),
    Edit("strategy: sums", "refresh.running_sums", "for sign in (1, -1)", "for sign in (2, -1)",
         SUMS),
    Edit("strategy: whole", "refresh.full", "isinstance(affected, Whole)", "True", WHOLE),
    Edit("strategy: by key", "refresh.by_key", "if affected.none:", "if not affected.none:",
         DERIVED - VERSIONED - SUMS - WHOLE),
    Edit("replacement of keys", "refresh.replacement", "replace = \"true\"", "replace = \"false\"",
         DERIVED - SUMS - WHOLE),
    Edit("changed rows", "refresh.changes", "F.broadcast(keys)", "F.broadcast(keys.limit(1))",
         DERIVED - VERSIONED),
    Edit("changed partitions", "lakehouse.history", "if reached != old or", "if reached == old or",
         set(TABLES)),
    Edit("weeks", "intervals", "timedelta(days=7)", "timedelta(days=6)", {"gold.weekly_revenue"}),
    Edit("contract", "tables.contract", "MONTHS_AHEAD = 12", "MONTHS_AHEAD = 13", SILVER),
    Edit("latest version", "tables.silver", "== 1)", "== 2)", VERSIONED),
    Edit("shared measures", "tables.star", "F.sum(\"discount\").alias(\"discount\"),\n            ",
         "F.max(\"discount\").alias(\"discount\"),\n            ",
         {"gold.daily_revenue", "gold.weekly_revenue", "gold.monthly_revenue",
          "gold.category_performance", "gold.dim_customer", "gold.customer_lifetime_value",
          "gold.orders_per_customer"}),
    Edit("a KPI's own code", "tables.gold.top_products", "def product_sales", "EXTRA = 1\n\n\ndef product_sales"),
]  # fmt: skip
NO_BEHAVIOUR = [
    Edit("comment", "refresh.latest_version", "        # Preparing a row", "        # It parses"),
    Edit("docstring", "refresh.upstream", "The affected refresh keys;", "Keys;"),
    Edit("message of an error", "landing.records", "not CSV at line", "no CSV at line"),
    Edit("why, for people", "refresh.upstream", "a full refresh was asked for", "as asked"),
    Edit("annotation", "refresh.keys", "limits: Limits\n", "limits: \"Limits\"\n"),
    Edit("audit", "tables.audits.gold", "def ", "UNUSED = 1\n\n\ndef "),
]  # fmt: skip


def changed(read: Callable[[str], str]) -> set[str]:
    """The tables whose version is another where modules read so."""
    versions = CodeVersions(read)
    return {
        name for name, table in TABLES.items()
        if versions.of(*table.decides_rows) != table.code_version
    }  # fmt: skip


@pytest.mark.unit
@pytest.mark.parametrize("edit", BEHAVIOUR, ids=lambda edit: edit.name)
def test_a_change_of_behaviour_recomputes_what_it_decides(edit: Edit) -> None:
    assert changed(edit.read) == set(edit.tables)


@pytest.mark.unit
@pytest.mark.parametrize("edit", NO_BEHAVIOUR, ids=lambda edit: edit.name)
def test_what_decides_nothing_changes_no_version(edit: Edit) -> None:
    assert changed(edit.read) == set()


@pytest.mark.unit
def test_the_name_of_a_local_variable_decides_nothing() -> None:
    text = source_of("ecommerce_assets.tables.silver")
    assert text.count("latest_first") > 1
    assert changed(lambda module: source_of(module).replace("latest_first", "renamed")) == set()


@pytest.mark.unit
def test_a_function_may_move_to_another_module() -> None:
    star, types = "ecommerce_assets.tables.star", "ecommerce_assets.tables.types"
    start = source_of(star).index("def share_of(")
    end = source_of(star).index("def rounded_ratio(")
    moved = source_of(star)[start:end]

    def read(module: str) -> str:
        text = source_of(module)
        if module == star:
            return f"from {types} import share_of\n" + text.replace(moved, "")
        if module == types:
            imports = f"from pyspark.sql import functions as F\nfrom {star} import rounded_ratio\n"
            return f"{text}\n{imports}\n{moved}"
        return text

    assert changed(read) == set()


@pytest.mark.unit
def test_a_value_that_can_not_be_followed_is_refused() -> None:
    with pytest.raises(TypeError, match=r"behind .* can't be determined"):
        code_version(object())
    assert code_version(MappingProxyType({"a": 1})) == code_version({"a": 1})


@pytest.mark.unit
def test_values_count_with_their_code() -> None:
    assert code_version({"a": 1}) != code_version({"a": 2})
    assert code_version(TABLES["gold.top_products"].refresh) != code_version(
        TABLES["gold.customer_lifetime_value"].refresh
    )


def test_a_mended_reader_reads_the_deliveries_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that a faulty reader left in bronze are replaced as soon as their date is run again."""
    days = "2024-01-01", "2024-01-02", "2024-01-03"
    for day in days:
        shop.deliver("products", {"product_id": "P1", "name": "Chair"}, day=day)
    table, read = TABLES["bronze.products"], landed.landed_frame

    def drops_a_letter(*args: object) -> object:
        return read(*args).replace("Chair", "Chai", subset=["name"])

    with monkeypatch.context() as faulty:
        faulty.setattr(landed, "landed_frame", drops_a_letter)
        faulty.setitem(table.__dict__, "code_version", "faulty")
        assert read_by_other_code(shop, days[0], days[2]) == []
    assert names(shop) == ["Chai"] * 3
    # Whatever is run, the dates that still hold the old rows are named.
    assert read_by_other_code(shop, days[1]) == [
        {"from": days[0], "to": days[0]}, {"from": days[2], "to": days[2]}
    ]  # fmt: skip
    assert names(shop) == ["Chai", "Chair", "Chai"]
    assert read_by_other_code(shop, days[1]) != []
    assert read_by_other_code(shop, days[0], days[2]) == []
    assert names(shop) == ["Chair"] * 3


def test_dates_found_as_this_code_would_read_them_are_not_named_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an experiment with other code, dates that nothing has to be read for count as read."""
    days = "2024-01-01", "2024-01-02"
    for day in days:
        shop.deliver("products", {"product_id": "P1"}, day=day)
    read_by_other_code(shop, *days)
    with monkeypatch.context() as experiment:
        experiment.setitem(TABLES["bronze.products"].__dict__, "code_version", "experiment")
        read_by_other_code(shop, days[1])
    assert read_by_other_code(shop, days[1]) == [{"from": days[0], "to": days[0]}]
    assert read_by_other_code(shop, days[0]) == []
    shop.deliver("products", {"product_id": "P2"}, day="2024-01-03")
    assert read_by_other_code(shop, "2024-01-03") == []


def read_by_other_code(shop: Shop, first: str, last: str | None = None) -> list[dict[str, str]]:
    """What bronze says of other dates in a run of these."""
    start, end = date.fromisoformat(first), date.fromisoformat(last or first)
    places = (str(shop.landing), str(shop.lakehouse))
    (published,) = materialize(
        open_session(places[1]),
        open_lakehouse(places[1]),
        [TABLES["bronze.products"]],
        JobArguments((), start, end, *places, Thresholds(1, 1)),
        RunCache(),
    )
    (finding,) = [one for one in published.findings if one.check.name == "read_by_this_code"]
    assert finding.passed == (not finding.sample)
    return finding.sample


def names(shop: Shop) -> list[str]:
    """Names of the products in bronze, by ingestion date."""
    return [
        row["name"]
        for row in shop.query("select name from bronze.products order by _ingestion_date")
    ]
