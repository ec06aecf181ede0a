"""The gold transformations on a handful of rows each."""

from datetime import date
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from ecommerce_assets.engine.queries import Query
from ecommerce_assets.engine.spark import SparkRelation, frame_of
from ecommerce_assets.tables import all_tables
from ecommerce_assets.tables.gold.customer_lifetime_value import CUSTOMER_RETURNS
from ecommerce_assets.tables.gold.top_products import PRODUCT_RETURNS, PRODUCT_SALES
from ecommerce_assets.tables.star import CUSTOMER_SALES

MONEY = "decimal(12,2)"
ORDERS = (
    "order_id string, customer_id string, business_date date, status string, payment_method string,"
    f" shipping_country string, discount_amount {MONEY}, prices_include_tax boolean,"
    f" tax_amount {MONEY}, shipping_amount {MONEY}, currency string"
)
RATES = "currency string, date date, rate_date date, exchange_rate decimal(18,12)"
ITEMS = (
    "order_item_id string, order_id string, product_id string, quantity int, unit_price "
    f"decimal(18,4), gross_amount decimal(18,2), line_total {MONEY}, tax_rate decimal(5,2), "
    f"tax_amount {MONEY}"
)
FACTS = ("order_id string, order_date date, customer_key long, product_key long, is_sale boolean, "
         "quantity int, discount decimal(18,2), revenue decimal(18,2)")  # fmt: skip
SUMS = "decimal(18,2)"
FACT_ORDERS = (
    "order_id string, order_date date, customer_key long, is_sale boolean, units long, "
    f"revenue {SUMS}, discount {SUMS}, shipping {SUMS}, tax {SUMS}, total_paid {SUMS}"
)
RETURNS = (
    "return_id string, order_id string, return_date date, customer_key long, product_key long, "
    f"is_counted boolean, quantity int, returned_amount {SUMS}"
)
WED, THU, NEXT_MON = date(2024, 1, 10), date(2024, 1, 11), date(2024, 1, 15)


def rows_of(table: str, *frames: DataFrame) -> DataFrame:
    """The rows of a table of gold from its upstream rows."""
    return frame_of(all_tables()[f"gold.{table}"].transform(*map(SparkRelation, frames)))


def prepared(query: Query, frame: DataFrame) -> DataFrame:
    """The rows of a query that several tables share."""
    return frame_of(query(SparkRelation(frame)))


def money(amount: str) -> Decimal:
    return Decimal(amount)


def facts(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Order, day, customer, product, whether a sale, quantity, revenue; no discount."""
    return spark.createDataFrame([(*row[:6], money("0"), money(row[6])) for row in rows], FACTS)


def orders(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Order, day, customer, whether a sale, units, revenue; nothing else was paid."""
    zero = money("0")
    return spark.createDataFrame(
        [(*row[:5], money(row[5]), zero, zero, zero, money(row[5])) for row in rows], FACT_ORDERS
    )


def back(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    """Return, day, customer, product, whether it counts, pieces, amount; of an order of its own."""
    return spark.createDataFrame(
        [(row[0], f"of {row[0]}", *row[1:6], money(row[6])) for row in rows], RETURNS
    )


def sold(
    spark: SparkSession,
    discount: str,
    *amounts: str,
    status: str = "delivered",
    included: bool = False,
    tax: str = "0",
    shipping: str = "0",
    currency: str = "EUR",
) -> list[Any]:
    """The facts of one order with items of these amounts."""
    order = ("O1", "C1", WED, status, "paypal", "DE", money(discount), included, money(tax),
             money(shipping), currency)  # fmt: skip
    items = [(f"I{n}", "O1", "P1", 1, *[money(a)] * 3, None, None) for n, a in enumerate(amounts)]
    frame = rows_of(
        "fact_sales",
        spark.createDataFrame([order], ORDERS),
        spark.createDataFrame(items, ITEMS),
        spark.createDataFrame([("PLN", WED, date(2024, 1, 8), money("0.25"))], RATES),
    )
    return list(frame.orderBy("order_item_id").collect())


def test_a_discount_is_allocated_in_whole_cents_that_add_up(spark: SparkSession) -> None:
    rows = sold(spark, "1.00", "10.00", "10.00", "10.00")
    assert [row["discount"] for row in rows] == [money("0.34"), money("0.33"), money("0.33")]
    assert sum(row["revenue"] for row in rows) == money("29.00")


def test_a_discount_is_at_most_what_the_items_cost(spark: SparkSession) -> None:
    rows = sold(spark, "50.00", "10.00", "0.00")
    assert [row["revenue"] for row in rows] == [money("0.00"), money("0.00")]


def test_a_cancelled_order_is_no_sale_and_keeps_its_amounts(spark: SparkSession) -> None:
    (row,) = sold(spark, "0.00", "10.00", status="cancelled")
    assert (row["is_sale"], row["revenue"], row["date_key"]) == (False, money("10.00"), 20240110)


def test_an_item_without_an_order_waits(spark: SparkSession) -> None:
    items = spark.createDataFrame([("I1", "O9", "P1", 1, *[money("1")] * 3, None, None)], ITEMS)
    none = [spark.createDataFrame([], kinds) for kinds in (ORDERS, RATES)]
    assert rows_of("fact_sales", none[0], items, none[1]).count() == 0


def test_an_order_is_converted_item_by_item_and_waits_without_a_rate(spark: SparkSession) -> None:
    rows = sold(spark, "0.05", "10.03", "10.00", currency="PLN", tax="2.00")
    assert [row["original_revenue"] for row in rows] == [money("10.00"), money("9.98")]
    # 2.50, and half a cent up: 2.495.
    assert [row["revenue"] for row in rows] == [money("2.50"), money("2.50")]
    assert [row["tax"] for row in rows] == [money("0.25"), money("0.25")]
    assert {(row["exchange_rate"], row["rate_date"]) for row in rows} == {
        (money("0.25"), date(2024, 1, 8))
    }
    assert sold(spark, "0", "10.00", currency="SEK") == []


def test_tax_that_prices_include_is_shared_out_in_whole_cents(spark: SparkSession) -> None:
    rows = sold(spark, "0", "10.00", "10.00", "10.00", included=True, tax="4.79")
    assert [row["tax"] for row in rows] == [money("1.60"), money("1.60"), money("1.59")]
    assert sum(row["revenue"] for row in rows) == money("25.21")
    assert {row["discount"] for row in rows} == {money("0.00")}


def test_shipping_has_its_part_of_the_tax_that_prices_include(spark: SparkSession) -> None:
    (row,) = sold(spark, "0", "119.00", included=True, tax="20.90", shipping="11.90")
    assert (row["tax"], row["revenue"]) == (money("19.00"), money("100.00"))


def test_tax_beside_prices_is_no_part_of_revenue(spark: SparkSession) -> None:
    rows = sold(spark, "2.00", "10.00", "30.00", tax="7.22", shipping="4.90")
    assert [row["tax"] for row in rows] == [money("1.81"), money("5.41")]
    assert sum(row["revenue"] for row in rows) == money("38.00")


def test_a_day_counts_orders_and_customers_once(spark: SparkSession) -> None:
    sales = orders(
        spark, ("O1", WED, 1, True, 3, "15.00"), ("O2", WED, 1, True, 1, "5.01"),
        ("O3", WED, 2, False, 9, "99.00"),
    )  # fmt: skip
    (day,) = rows_of("daily_revenue", sales, back(spark)).collect()
    assert (day["orders"], day["units"], day["customers"]) == (2, 4, 1)
    assert (day["revenue"], day["average_order_value"]) == (money("20.01"), money("10.01"))


def test_what_comes_back_counts_on_its_own_day(spark: SparkSession) -> None:
    sales = orders(spark, ("O1", WED, 1, True, 3, "15.00"))
    returned = back(
        spark, ("R1", THU, 1, 1, True, 1, "5.00"), ("R2", THU, 1, 1, False, 1, "99.00"),
    )  # fmt: skip
    days = rows_of("daily_revenue", sales, returned).orderBy("order_date").collect()
    shown = ("order_date", "revenue", "returned", "net_revenue", "orders", "average_order_value")
    assert [tuple(row[name] for name in shown) for row in days] == [
        (WED, money("15.00"), money("0.00"), money("15.00"), 1, money("15.00")),
        (THU, money("0.00"), money("5.00"), money("-5.00"), 0, money("0.00")),
    ]


def test_weeks_begin_on_monday(spark: SparkSession) -> None:
    sales = orders(
        spark, ("O1", WED, 1, True, 1, "1.00"), ("O2", THU, 1, True, 1, "2.00"),
        ("O3", NEXT_MON, 1, True, 1, "4.00"),
    )  # fmt: skip
    weeks = rows_of("weekly_revenue", sales, back(spark)).orderBy("week_start_date").collect()
    assert [(row["week_start_date"], row["revenue"]) for row in weeks] == [
        (date(2024, 1, 8), money("3.00")), (NEXT_MON, money("4.00"))
    ]  # fmt: skip


def test_products_are_ranked_by_revenue_then_id(spark: SparkSession) -> None:
    sales = prepared(PRODUCT_SALES, facts(
        spark, ("O1", WED, 1, 1, True, 1, "5.00"), ("O1", WED, 1, 2, True, 1, "5.00"),
        ("O2", WED, 1, 3, True, 1, "9.00"), ("O3", WED, 1, 4, False, 1, "99.00"),
        ("O3", WED, 1, 5, True, 1, "50.00"),
    ))  # fmt: skip
    products = spark.createDataFrame(
        [(n, f"P{n}", "x", "books", "charge" if n == 5 else "goods") for n in (1, 2, 3, 4, 5)],
        "product_key long, product_id string, name string, category string, role string",
    )
    returned = prepared(PRODUCT_RETURNS, back(spark, ("R1", WED, 1, 4, True, 2, "1.00")))
    ranked = rows_of("top_products", sales, returned, products).orderBy("product_id").collect()
    assert [(row["product_id"], row["revenue_rank"], row["net_revenue"]) for row in ranked] == [
        ("P1", 2, money("5.00")), ("P2", 3, money("5.00")), ("P3", 1, money("9.00")),
        ("P4", None, money("-1.00")), ("P5", None, money("50.00")),
    ]  # fmt: skip


def test_a_customer_is_worth_what_is_left_of_the_sales(spark: SparkSession) -> None:
    customers = spark.createDataFrame(
        [(1, "C1", "new"), (2, "C2", "inactive")],
        "customer_key long, customer_id string, segment string",
    )
    sales = prepared(CUSTOMER_SALES, orders(spark, ("O1", WED, 1, True, 1, "5.00")))
    returned = prepared(CUSTOMER_RETURNS, back(spark, ("R1", WED, 2, 1, True, 1, "1.50")))
    rows = rows_of("customer_lifetime_value", sales, returned, customers)
    found = rows.orderBy("value_rank").collect()
    assert [(row["customer_id"], row["orders"], row["lifetime_value"]) for row in found] == [
        ("C1", 1, money("5.00")), ("C2", 0, money("-1.50"))
    ]  # fmt: skip


def test_first_and_last_order_of_a_customer(spark: SparkSession) -> None:
    customers = spark.createDataFrame(
        [(1, "C1", "new")], "customer_key long, customer_id string, segment string"
    )
    sales = prepared(CUSTOMER_SALES, orders(
        spark, ("O1", THU, 1, True, 1, "5.00"), ("O2", WED, 1, True, 1, "5.00")))  # fmt: skip
    (row,) = rows_of("orders_per_customer", sales, customers).collect()
    assert (row["first_order_date"], row["last_order_date"], row["orders"]) == (WED, THU, 2)


def test_shares_of_a_month_add_up_to_one(spark: SparkSession) -> None:
    products = spark.createDataFrame(
        [(1, "books"), (2, "toys")], "product_key long, category string"
    )
    rows = rows_of("category_performance", facts(
        spark, ("O1", WED, 1, 1, True, 1, "1.00"), ("O1", WED, 1, 2, True, 1, "2.00"),
    ), back(spark), products).orderBy("category").collect()  # fmt: skip
    assert [row["revenue_share"] for row in rows] == [money("0.333333"), money("0.666667")]
