"""A shop for a test: a landing folder to deliver to, a lakehouse to run, tables to look at."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ecommerce_assets.errors import PipelineError
from ecommerce_assets.jobs.run import run_layer
from ecommerce_assets.lakehouse.catalog import Lakehouse, open_lakehouse
from ecommerce_assets.query.local import connect
from ecommerce_assets.shop import Shop as ShopFile
from ecommerce_assets.shop import current_shop, shipped_shops
from ecommerce_assets.tables import LAYERS, all_tables, tables_for

DAY = "2024-01-01"
SOURCES = current_shop().sources
ORDERS = next(source for source in SOURCES if source.name == "orders")

# A valid row a table; a test names what it wants different.
VALID = {
    "customers": {
        "customer_id": "C1", "email": "ann@example.com", "country": "DE",
        "created_at": "2023-05-01", "updated_at": "2023-05-01",
    },
    "products": {
        "product_id": "P1", "name": "Lamp", "category": "home_garden", "price": "10.00",
        "updated_at": "2023-05-01",
    },
    "orders": {
        "order_id": "O1", "customer_id": "C1", "order_date": "2024-01-01T10:00:00Z",
        "status": "delivered", "total_amount": "10.00", "discount_amount": "",
        "updated_at": "2024-01-01T10:00:00Z",
    },
    "order_items": {
        "order_item_id": "I1", "order_id": "O1", "product_id": "P1", "quantity": "1",
        "unit_price": "10.00", "line_total": "10.00", "updated_at": "2024-01-01T10:00:00Z",
    },
    "returns": {
        "return_id": "R1", "order_id": "O1", "order_item_id": "I1", "quantity": "1",
        "returned_at": "2024-01-01T18:00:00Z",
    },
    "exchange_rates": {"rate_date": "2024-01-01", "currency": "PLN", "rate": "1.25"},
}  # fmt: skip
RATES = "exchange_rates"
NEEDED = ("customers", "products", "orders", "order_items")


def mistake_in(text: str) -> str:
    """The one line that says what is wrong in a shop file."""
    with pytest.raises(PipelineError) as caught:
        tables_for(ShopFile("our.toml", text))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("our.toml: ")
    return line


def of_currencies(own: str, *others: str) -> ShopFile:
    """The default shop with another reporting currency, and other ones beside it, if any."""
    text = shipped_shops()["default"].text.replace('currency = "EUR"', f'currency = "{own}"', 1)
    named = f"currencies = {json.dumps(others)}" if others else ""
    text = text.replace('currencies = ["PLN"]', named)
    if not others:
        before, _, after = text.partition("[tables.exchange_rates]")
        text = before + after[after.index("[vocabulary]") :]
    return ShopFile("our.toml", text)


class Shop:
    """Landing and lakehouse of one test."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.lakehouse = folder / "lakehouse"
        self.dashboard = folder / "dashboard.html"
        self.landing.mkdir(parents=True, exist_ok=True)

    def file(self, table: str, day: str = DAY, name: str = "rows.csv") -> Path:
        path = self.landing / table / f"ingestion_date={day}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def deliver(
        self, table: str, *rows: dict[str, str], day: str = DAY, name: str = "rows.csv"
    ) -> None:
        """Land a file with rows that are valid but for what they say."""
        self.deliver_exactly(table, [{**VALID[table], **row} for row in rows], day=day, name=name)

    def deliver_exactly(
        self, table: str, rows: list[dict[str, str]], day: str = DAY, name: str = "rows.csv"
    ) -> None:
        """Land a file with just these rows and columns."""
        names = list(dict.fromkeys(name for row in rows for name in row)) or list(VALID[table])
        text = io.StringIO()
        writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.file(table, day, name).write_text(text.getvalue(), encoding="utf-8")

    def deliver_one_of_each(self, day: str = DAY) -> None:
        for table in NEEDED:
            self.deliver(table, {}, day=day)

    def run(
        self,
        layer: str,
        tables: str = "",
        first: str = DAY,
        last: str = "",
        limit: float = 1,
        full_refresh: bool = False,
        identity_limit: float = 1,
        removal_limit: float = 1,
        money_limit: float = 1,
        absence_limit: float = 1,
        allow_removal: bool = False,
        engine: str = "",
    ) -> None:
        """Run a layer's job in this process, on an engine or that of all tests."""
        argv = ["--from", first, "--to", last or first, "--landing", str(self.landing),
                "--lakehouse", str(self.lakehouse), "--quarantine-limit", str(limit),
                "--identity-limit", str(identity_limit), "--removal-limit", str(removal_limit),
                "--money-limit", str(money_limit), "--absence-limit",
                str(absence_limit), "--allow-removal", str(allow_removal).lower()]  # fmt: skip
        if layer == "gold" and "fact_" in tables:
            self.rates()
        if full_refresh:
            argv += ["--full-refresh", "true"]
        if engine:
            argv += ["--engine", engine]
        run_layer(layer, [*argv, "--tables", tables] if tables else argv)

    def rates(self) -> None:
        """Make the tables of the rates, which all facts read, unless they are there or not meant."""
        where = ["--from", DAY, "--to", DAY, "--landing", str(self.landing), "--lakehouse",
                 str(self.lakehouse)]  # fmt: skip
        for name in (f"bronze.{RATES}", f"silver.{RATES}", "gold.dim_exchange_rate"):
            if name in all_tables() and self.tables.find(name) is None:
                layer, table = name.split(".")
                run_layer(layer, [*where, "--tables", table])

    @property
    def tables(self) -> Lakehouse:
        """The tables by name."""
        return open_lakehouse(str(self.lakehouse))

    def run_all(self, first: str = DAY, last: str = "") -> None:
        for layer in LAYERS:
            self.run(layer, first=first, last=last)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query over the published tables."""
        connection = connect(str(self.lakehouse), sql)
        try:
            return connection.sql(sql).to_arrow_table().to_pylist()
        finally:
            connection.close()

    def one(self, sql: str) -> dict[str, Any]:
        (row,) = self.query(sql)
        return row

    def content(self, table: str) -> list[tuple[Any, ...]]:
        """All rows of a table, sorted, without the time of ingestion."""
        rows = self.query(f"select * exclude (_ingested_at) from {table}"
                          if table.startswith("bronze") or table.endswith("_quarantine")
                          else f"select * from {table}")  # fmt: skip
        return sorted(tuple(map(str, row.values())) for row in rows)

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of every table."""
        from ecommerce_assets.tables import all_tables

        return {name: self.content(name) for name in all_tables()}
