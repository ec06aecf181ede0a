"""What the version of a table's code follows from: what decides its rows, and nothing else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

from ecommerce_assets.code_version import CodeVersions, code_version, source_of
from ecommerce_assets.engine.queries import Query
from ecommerce_assets.engine.relation import Relation
from ecommerce_assets.engine.spark import SparkEngine, SparkRelation, frame_of
from ecommerce_assets.engine.spark_session import open_session
from ecommerce_assets.jobs.arguments import JobArguments
from ecommerce_assets.jobs.materialize import materialize
from ecommerce_assets.lakehouse.catalog import open_lakehouse
from ecommerce_assets.model.strategies import Full, LookedUp
from ecommerce_assets.refresh import landed
from ecommerce_assets.refresh.planners import PLANNERS
from ecommerce_assets.refresh.run_cache import RunCache
from ecommerce_assets.shop import current_shop
from ecommerce_assets.syntax_trees import Name
from ecommerce_assets.tables import all_tables, casting, contract, tables_for
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
    Edit("rows of landed files", "landing.rows", "pa.repeat(file.source_file, rows)",
         "pa.repeat(file.source_file.upper(), rows)", BRONZE),
    Edit("fingerprints", "landing.files", "{file.source_file}", "{file.source_file}!", BRONZE),
    Edit("strategy: landed", "refresh.landed", "or known.get(day) != text", "or True", BRONZE),
    Edit("strategy: latest version", "refresh.latest_version", "best.{key} IS NULL OR",
         "best.{key} IS NULL AND", VERSIONED),
    Edit("strategy: sums", "refresh.running_sums", "for sign in (1, -1)", "for sign in (2, -1)",
         SUMS),
    Edit("strategy: whole", "refresh.full", "isinstance(affected, Whole)", "True", WHOLE),
    Edit("strategy: by key", "refresh.by_key", "if affected.none:", "if not affected.none:",
         DERIVED - VERSIONED - SUMS - WHOLE),
    Edit("replacement of keys", "refresh.replacement", "replace = \"true\"", "replace = \"false\"",
         DERIVED - SUMS - WHOLE),
    Edit("changed rows", "refresh.changes", "_rows <> 0 OR _hash <> 0", "_rows <> 0",
         DERIVED - VERSIONED),
    Edit("changed partitions", "lakehouse.history", "if reached != old or", "if reached == old or",
         set(TABLES)),
    Edit("weeks", "intervals", "timedelta(days=7)", "timedelta(days=6)", {"gold.weekly_revenue"}),
]  # fmt: skip
NO_BEHAVIOUR = [
    Edit("comment", "refresh.latest_version", "        # Preparing a row", "        # It parses"),
    Edit("docstring", "refresh.upstream", "The affected refresh keys;", "Keys;"),
    Edit("message of an error", "landing.records", "not CSV at line", "no CSV at line"),
    Edit("why, for people", "refresh.upstream", "a full refresh was asked for", "as asked"),
    Edit("annotation", "refresh.keys", "limits: Limits\n", "limits: \"Limits\"\n"),
    Edit("engine", "engine.spark", "next(_numbers)", "7 + next(_numbers)"),
    Edit("interface of engines", "engine.queries", "lru_cache(1_000)", "lru_cache(999)"),
    Edit("audit", "tables.audits.gold", "def ", "UNUSED = 1\n\n\ndef "),
]  # fmt: skip


def changed(read: Callable[[str], str]) -> set[str]:
    """The tables whose version is another where modules read so."""
    versions = CodeVersions(read)
    return {
        name for name, table in TABLES.items()
        if versions.of(*table.decides_rows) != table.code_version
    }  # fmt: skip


def test_the_planner_that_counts_is_the_one_that_plans() -> None:
    assert all(
        strategy.planner == Name(planner.__module__, planner.__name__)
        for strategy, planner in PLANNERS.items()
    )
    used = {type(table.refresh) for table in all_tables().values()}
    assert used | {LookedUp} == PLANNERS.keys()  # of a shop whose rows look up values


@pytest.mark.parametrize("edit", BEHAVIOUR, ids=lambda edit: edit.name)
def test_a_change_of_behaviour_recomputes_what_it_decides(edit: Edit) -> None:
    assert changed(edit.read) == set(edit.tables)


@pytest.mark.parametrize("edit", NO_BEHAVIOUR, ids=lambda edit: edit.name)
def test_what_decides_nothing_changes_no_version(edit: Edit) -> None:
    assert changed(edit.read) == set()


def test_a_changed_query_recomputes_its_table() -> None:
    table = TABLES["gold.orders_per_customer"]
    assert isinstance(table.transform, Query)
    (shared,) = table.prepare.values()
    assert isinstance(shared, Query)
    other = replace(
        table.transform,
        sql=table.transform.sql.replace("s.orders, s.units", "s.units AS orders, s.units"),
    )
    doubled = replace(shared, sql=shared.sql.replace("WHERE is_sale", "WHERE NOT is_sale"))
    versions = [
        table.code_version, replace(table, transform=other).code_version,
        replace(table, prepare={"gold.fact_orders": doubled}).code_version,
    ]  # fmt: skip
    assert len(set(versions)) == 3
    latest = TABLES["silver.orders"]
    assert isinstance(latest.transform, Query)
    first = replace(
        latest.transform, sql=latest.transform.sql.replace("_version = 1", "_version = 2")
    )
    assert replace(latest, transform=first).code_version != latest.code_version


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [(casting, "MONTHS_AHEAD", 13), (casting, "DECIMAL", "[0-9]+"), (contract, "MACROS", {})],
)
def test_a_changed_reading_of_texts_recomputes_silver(
    where: ModuleType, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, value)
    found = tables_for.__wrapped__(current_shop())
    differ = {name for name in TABLES if found[name].code_version != TABLES[name].code_version}
    without_decimals = {name for name in SILVER if "customers" in name}
    assert differ == SILVER - (without_decimals if name == "DECIMAL" else set())


def test_the_name_of_a_local_variable_decides_nothing() -> None:
    text = source_of("ecommerce_assets.refresh.latest_version")
    assert text.count("some_replaced") > 1
    assert changed(lambda module: source_of(module).replace("some_replaced", "renamed")) == set()


def test_a_function_may_move_to_another_module() -> None:
    old, new = "ecommerce_assets.refresh.replacement", "ecommerce_assets.refresh.limits"
    moved = source_of(old)[source_of(old).index("def _partitions_of(") :]
    imports = "\n".join(
        line for line in source_of(old).splitlines() if line.startswith(("from ", "import "))
    )

    def read(module: str) -> str:
        text = source_of(module)
        if module == old:
            return f"from {new} import _partitions_of\n" + text.replace(moved, "")
        return f"{text}\n{imports}\n{moved}" if module == new else text

    assert changed(read) == set()


def test_a_value_that_can_not_be_followed_is_refused() -> None:
    with pytest.raises(TypeError, match=r"behind .* can't be determined"):
        code_version(object())
    assert code_version(MappingProxyType({"a": 1})) == code_version({"a": 1})


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
    table, read = TABLES["bronze.products"], landed.landed_rows

    def drops_a_letter(*args: Any) -> Relation:
        rows = frame_of(read(*args))
        return SparkRelation(rows.replace("Chair", "Chai", subset=["name"]))

    with monkeypatch.context() as faulty:
        faulty.setattr(landed, "landed_rows", drops_a_letter)
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
        SparkEngine(open_session(places[1])),
        open_lakehouse(places[1]),
        [TABLES["bronze.products"]],
        JobArguments((), start, end, *places, Thresholds(1, 1, money_limit=1)),
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
