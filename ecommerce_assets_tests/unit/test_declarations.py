"""The declarations and what follows from them; rooms and their doors; loading costs nothing."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ecommerce_assets
from ecommerce_assets.docs.dictionary import dictionary
from ecommerce_assets.errors import PipelineError
from ecommerce_assets.model.rules import row_rules
from ecommerce_assets.tables import all_tables, gold, tables_for
from ecommerce_assets.tables.types import TEXT
from ecommerce_assets_tests.shop import Shop
from tools.mutations import MUTATIONS, REPOSITORY, Mutation, found

PACKAGE = Path(ecommerce_assets.__file__).parent
# Column by column, so that no column changes unnoticed.
MEASURES = (
    "revenue discount orders units customers average_order_value shipping tax total_paid returned "
    "net_revenue"
)
GOLD = {
    "daily_revenue": f"order_date {MEASURES}",
    "weekly_revenue": f"week_start_date {MEASURES}",
    "monthly_revenue": f"month_start_date {MEASURES}",
    "order_revenue_by_cohort": "order_date orders revenue returns returned net_revenue",
    "orders_per_customer": "customer_key customer_id orders units first_order_date "
    "last_order_date average_order_value",
    "customer_lifetime_value": "customer_key customer_id segment orders revenue returns returned "
    "lifetime_value value_rank",
    "top_products": "product_key product_id name category units orders revenue returns "
    "units_returned returned net_revenue revenue_rank",
    "category_performance": "category month_start_date revenue discount orders units returned "
    "net_revenue revenue_share",
    "dim_date": "date_key date day_of_week day_name week week_start_date month month_name quarter "
    "year is_weekend",
    "dim_customer": "customer_key customer_id country created_at segment is_inferred",
    "dim_product": "product_key product_id sku name category role subcategory brand price cost "
    "is_active is_inferred",
    "fact_sales": "sale_key order_item_id order_id date_key order_date customer_key product_key "
    "status payment_method shipping_country is_sale quantity unit_price gross_amount discount "
    "revenue tax currency exchange_rate rate_date original_gross_amount original_revenue "
    "original_tax",
    "fact_orders": "order_key order_id date_key order_date customer_key status payment_method "
    "is_sale items units gross_amount discount revenue shipping tax tip total_paid returned "
    "refunded currency exchange_rate rate_date original_revenue original_total_paid",
    "fact_returns": "return_key return_id sale_key order_id date_key return_date order_date "
    "customer_key product_key reason is_order_known is_counted quantity returned_amount "
    "returned_tax refunded_amount currency exchange_rate rate_date original_amount exceeds_sale",
    "dim_exchange_rate": "currency date rate_date exchange_rate",
}
SOURCES = ("customers", "products", "orders", "order_items", "returns", "exchange_rates")


def test_the_tables_are_those_of_the_design() -> None:
    expected = [f"bronze.{source}" for source in SOURCES]
    expected += [f"silver.{source}{kind}" for source in SOURCES for kind in ("", "_quarantine")]
    expected += [f"gold.{name}" for name in GOLD]
    assert set(expected) <= set(all_tables())
    # What is not listed is a KPI that somebody added.
    assert all(name.startswith("gold.") for name in set(all_tables()) - set(expected))


@pytest.mark.parametrize("name", GOLD)
def test_gold_columns_are_those_of_the_design(name: str) -> None:
    columns = list(all_tables()[f"gold.{name}"].columns)
    assert columns == GOLD[name].split()


def test_every_column_and_table_is_described() -> None:
    for table in all_tables().values():
        assert table.description, table.identifier
        for name, column in table.columns.items():
            assert column.description, f"{table.identifier}.{name}"


def test_no_money_is_a_float() -> None:
    for table in all_tables().values():
        assert not {"FLOAT", "DOUBLE", "REAL"} & set(table.kinds.values())


def test_a_pandera_check_without_a_condition_is_refused() -> None:
    import pandera.pandas as pa

    column = pa.Column(TEXT, pa.Check.str_startswith("x"))
    with pytest.raises(ValueError, match="no SQL condition for pandera's str_startswith"):
        row_rules({"name": column})


PAGE = (PACKAGE.parent / "docs" / "how-to" / "kpi.md").read_text("utf-8")
(KPI,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "gold_table(" in code]


def test_a_kpi_is_one_module(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's example, as a new file and nothing else: asset, checks, table, query."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "revenue_by_payment_method.py").write_text(KPI)
    monkeypatch.setattr(gold, "__path__", [*gold.__path__, str(folder)])
    tables_for.cache_clear()
    try:
        from ecommerce_assets.definitions import build_definitions
        from ecommerce_assets.settings import Settings

        graph = build_definitions(Settings()).resolve_asset_graph()
        assert "gold/revenue_by_payment_method" in {
            key.to_user_string() for key in graph.get_all_asset_keys()
        }
        shop.deliver_one_of_each()
        shop.run("bronze")
        shop.run("silver")
        shop.run("gold", "dim_exchange_rate,fact_sales,revenue_by_payment_method")
        row = shop.one("select * from gold.revenue_by_payment_method")
        assert tuple(map(str, row.values())) == ("unknown", "1", "10.00")
    finally:
        tables_for.cache_clear()
        sys.modules.pop("ecommerce_assets.tables.gold.revenue_by_payment_method", None)


def test_an_unknown_upstream_table_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_kpi.py").write_text(KPI.replace('"gold.fact_sales",', '"gold.facts",'))
    monkeypatch.setattr(gold, "__path__", [*gold.__path__, str(tmp_path)])
    tables_for.cache_clear()
    try:
        with pytest.raises(PipelineError, match=r"gold.bad_kpi depends on gold.facts"):
            all_tables()
    finally:
        tables_for.cache_clear()
        sys.modules.pop("ecommerce_assets.tables.gold.bad_kpi", None)


# A room may import those after it, and no other (docs/explanation/layout.md).
DOORS = {
    "definitions": {"orchestration", "tables", "settings", "garbage"},
    "orchestration": {
        "model",
        "shop",
        "aws",
        "dashboard",
        "deployment",
        "jobs",
        "tables",
        "lakehouse",
        "landing",
        "engine",
        "settings",
        "thresholds",
        "errors",
    },
    "dashboard": {"aws", "query", "tables", "shop", "settings", "package_files", "sql", "errors"},
    "jobs": {
        "model",
        "engine",
        "sql",
        "code_version",
        "shop",
        "boto",
        "deployment",
        "tables",
        "refresh",
        "lakehouse",
        "landing",
        "settings",
        "thresholds",
        "intervals",
        "errors",
    },
    "tables": {
        "model",
        "derived",
        "refresh",
        "engine",
        "landing",
        "shop",
        "code_version",
        "thresholds",
        "intervals",
        "sql",
        "errors",
    },
    "refresh": {"model", "lakehouse", "engine", "landing", "intervals", "sql", "errors"},
    "model": {
        "code_version",
        "engine",
        "intervals",
        "landing",
        "sql",
        "syntax_trees",
        "thresholds",
    },
    "lakehouse": {"boto", "intervals", "sql", "errors"},
    "landing": {"engine", "intervals", "errors", "boto"},
    "engine": {"boto", "derived", "lakehouse", "package_files", "sql", "errors"},
    "shop": {"landing", "engine", "sql", "errors"},
    "generator": {"landing", "shop", "errors"},
    "aws": {"boto", "deployment", "lakehouse", "landing", "shop", "errors"},
    "query": {
        "model",
        "landing",
        "aws",
        "deployment",
        "intervals",
        "lakehouse",
        "settings",
        "sql",
        "tables",
        "errors",
    },
    "docs": {"jobs", "model", "tables"},
    "trial": {"model", "tables", "engine", "shop", "landing", "sql", "errors", "thresholds"},
    "cli": {
        "model",
        "lakehouse",
        "shop",
        "trial",
        "aws",
        "dashboard",
        "definitions",
        "deployment",
        "orchestration",
        "docs",
        "jobs",
        "tables",
        "landing",
        "generator",
        "query",
        "settings",
        "garbage",
        "errors",
    },
    "settings": {"deployment", "thresholds", "errors"},
    "thresholds": set(),
    "boto": set(),
    "garbage": set(),
    "package_files": set(),
    "deployment": set(),
    "code_version": {"syntax_trees", "derived"},
    "derived": {"package_files"},
    "syntax_trees": set(),
    "intervals": set(),
    "sql": set(),
    "errors": set(),
}
FOREIGN = {"model": {"dagster", "boto3", "duckdb"}, "tables": {"dagster", "boto3", "duckdb"}, "refresh": {"dagster", "boto3", "duckdb"},
           "lakehouse": {"dagster", "duckdb"}, "jobs": {"dagster", "duckdb"},
           "engine": {"dagster"}, "landing": {"duckdb"}, "orchestration": {"duckdb"},
           "aws": {"dagster", "duckdb"}, "generator": {"dagster", "duckdb"}}  # fmt: skip
# Who may import pyspark; orchestration only for the type of Dagster's resource.
OF_SPARK = {"engine", "orchestration"}


def test_the_data_dictionary_is_current() -> None:
    page = PACKAGE / "tables" / "README.md"
    assert page.read_text("utf-8") == dictionary(), "a declaration changed: run `make docs`"


def test_no_modules_import_each_other() -> None:
    """At the top or within a function; imports for annotations alone don't count."""
    root = Path(ecommerce_assets.__file__).parent
    files = {module_name(file): file for file in root.rglob("*.py")}
    imports: dict[str, set[str]] = {}
    for module, file in files.items():
        tree = ast.parse(file.read_text("utf-8"))
        for_types = [
            inner for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        ]  # fmt: skip
        found = imports[module] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and node not in for_types:
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node not in for_types:
                names = [f"{node.module}.{name.name}" for name in node.names]
                found |= {name if name in files else str(node.module) for name in names}
        found &= files.keys() - {module}
    assert len(imports) > 100
    assert imports["ecommerce_assets.jobs.run"] >= {"ecommerce_assets.jobs.idle"}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def module_name(file: Path) -> str:
    """`package.module` of a file of the package."""
    parts = file.relative_to(Path(ecommerce_assets.__file__).parents[1]).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_imports_point_downwards() -> None:
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else (
                [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            )  # fmt: skip
            for name in names:
                parts = (name or "").split(".")
                assert parts[0] not in FOREIGN.get(room, set()), f"{file}: {name}"
                assert parts[0] != "pyspark" or room in OF_SPARK, f"{file}: {name}"
                if parts[0] == "ecommerce_assets" and len(parts) > 1:
                    assert parts[1] in DOORS[room] | {room}, f"{file}: {name}"


def test_loading_the_code_location_loads_no_engine() -> None:
    code = (
        "from ecommerce_assets.definitions import defs\n"
        "import sys\n"
        "defs().resolve_asset_graph()\n"
        "assert not {'pyspark', 'py4j', 'duckdb', 'pyiceberg', 'boto3'} & set(sys.modules)\n"
        "import pyspark.pandas\n"  # what was kept from pandera is there for others
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_code_that_a_mutation_breaks_and_its_test_are_there(mutation: Mutation) -> None:
    text = (REPOSITORY / "ecommerce_assets" / mutation.file).read_text()
    assert mutation.applied(text) != text
    file, _, test = mutation.test.partition("::")
    tests = (REPOSITORY / found(file.split(" ")[0])).read_text()
    assert f"def {test}(" in tests or not test
