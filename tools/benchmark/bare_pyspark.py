"""The yardstick: one plain PySpark script from the landed CSV files to gold tables in Parquet.

No Iceberg, no bronze or silver tables, no checks, no quarantine, no Dagster; tuned as the
pipeline's own session is (same JVM settings, few shuffle partitions, no adaptive execution), with
what is read twice kept in memory. It shares no transformation with the product.

    python -m tools.benchmark.bare_pyspark LANDING OUTPUT
"""

import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from ecommerce_assets.engine.spark_session import local_spark_config

COLUMNS = {
    "customers": "customer_id email first_name last_name phone country city address created_at "
    "updated_at",
    "products": "product_id sku name description category subcategory brand price cost "
    "stock_quantity is_active created_at updated_at",
    "orders": "order_id customer_id order_date status payment_method subtotal tax_amount "
    "shipping_amount discount_amount total_amount currency shipping_country shipping_city "
    "updated_at",
    "order_items": "order_item_id order_id product_id quantity unit_price discount_percent "
    "line_total updated_at",
}
MONEY = "decimal(12,2)"
PRICE = "decimal(18,4)"
SUM = "decimal(18,2)"
STATUSES = "'pending','confirmed','shipped','delivered','cancelled','returned'"
PAYMENTS = "'credit_card','debit_card','paypal','bank_transfer','cash_on_delivery'"
CATEGORIES = "'electronics','clothing','home_garden','sports','books','toys','beauty','food'"
VALID = {
    "customers": r"""customer_id is not null and email rlike '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$'
        and upper(country) rlike '^[A-Z]{2}$' and created_at is not null""",
    "products": f"""product_id is not null and name is not null and category in ({CATEGORIES})
        and price >= 0 and (cost >= 0 or raw_cost is null)
        and (raw_stock is null or raw_stock rlike '^[0-9]+([.]0*)?$')
        and (is_active is not null or raw_active is null)""",
    "orders": f"""order_id is not null and customer_id is not null and order_date is not null
        and status in ({STATUSES}) and (payment_method is null or payment_method in ({PAYMENTS}))
        and total_amount >= 0 and coalesce(currency, 'EUR') = 'EUR'
        and (shipping_country is null or shipping_country rlike '^[A-Z]{{2}}$')""",
    "order_items": """order_item_id is not null and order_id is not null
        and product_id is not null and raw_quantity rlike '^[1-9][0-9]*([.]0*)?$'
        and unit_price >= 0 and discount_percent between 0 and 100
        and (line_total >= 0 or (raw_line is null and line_total is null))""",
}
CASTS = {
    "customers": {"created_at": "timestamp"},
    "products": {"price": PRICE, "cost": PRICE, "is_active": "boolean"},
    "orders": {"order_date": "timestamp", "discount_amount": MONEY, "total_amount": MONEY},
    "order_items": {
        "quantity": "int", "unit_price": PRICE, "discount_percent": "decimal(5,2)",
        "line_total": MONEY,
    },
}  # fmt: skip
RAW = {
    "products": {"raw_cost": "cost", "raw_stock": "stock_quantity", "raw_active": "is_active"},
    "order_items": {"raw_quantity": "quantity", "raw_line": "line_total"},
}
KEYS = {"customers": "customer_id", "products": "product_id", "orders": "order_id",
        "order_items": "order_item_id"}  # fmt: skip


def current(spark: SparkSession, landing: str, table: str) -> DataFrame:
    """The last valid version of each key."""
    schema = ", ".join(f"{name} string" for name in COLUMNS[table].split())
    raw = spark.read.csv(
        f"{landing}/{table}/*/*.csv", schema, header=True, multiLine=True, escape='"',
        ignoreLeadingWhiteSpace=True, ignoreTrailingWhiteSpace=True,
    ).select("*", F.input_file_name().alias("file"))  # fmt: skip
    kept = RAW.get(table, {})
    typed = raw.select("*", *[F.col(column).alias(name) for name, column in kept.items()])
    for name, kind in CASTS[table].items():
        typed = typed.withColumn(name, F.col(name).cast(kind))
    if table == "order_items":
        typed = typed.withColumn("discount_percent", F.expr("coalesce(discount_percent, 0)"))
    if table == "orders":
        typed = typed.withColumn("discount_amount", F.expr("coalesce(discount_amount, 0)"))
    newest = Window.partitionBy(KEYS[table]).orderBy(
        F.expr("cast(updated_at as timestamp)").desc_nulls_last(), F.col("file").desc()
    )
    return (
        typed.where(VALID[table])
        .withColumn("version", F.row_number().over(newest))
        .where("version = 1")
    )


def fact(orders: DataFrame, items: DataFrame) -> DataFrame:
    """One row per item of a known order, the order's discount shared out in whole cents."""
    order = Window.partitionBy("order_id")
    lines = items.withColumn(
        "line",
        F.coalesce(
            "line_total",
            F.expr("cast(round(quantity * unit_price * (100 - discount_percent) / 100, 2) "
                   f"as {MONEY})"),
        ),
    )  # fmt: skip
    joined = lines.join(
        orders.select("order_id", "customer_id", "order_date", "status", "payment_method",
                      "shipping_country", "discount_amount"),
        "order_id",
    )  # fmt: skip
    shared = (
        joined.withColumn("cents", F.expr("cast(line * 100 as bigint)"))
        .withColumn("all_cents", F.sum("cents").over(order))
        .withColumn("pot", F.expr("least(cast(discount_amount * 100 as bigint), all_cents)"))
        .withColumn("whole", F.expr("coalesce((pot * cents) div all_cents, 0)"))
        .withColumn("rest", F.expr("(pot * cents) % all_cents"))
        .withColumn("left", F.col("pot") - F.sum("whole").over(order))
        .withColumn(
            "place",
            F.row_number().over(order.orderBy(F.col("rest").desc_nulls_last(), "order_item_id")),
        )
        .withColumn("share", F.expr("(whole + if(place <= left, 1, 0)) * 0.01BD"))
    )
    return shared.selectExpr(
        "xxhash64(order_item_id) as sale_key", "order_item_id", "order_id",
        "cast(date_format(order_date, 'yyyyMMdd') as int) as date_key",
        "to_date(order_date) as order_date", "xxhash64(customer_id) as customer_key",
        "xxhash64(product_id) as product_key", "status", "payment_method", "shipping_country",
        "status not in ('cancelled', 'returned') as is_sale", "quantity", "unit_price",
        f"cast(quantity * unit_price as {SUM}) as gross_amount",
        f"cast(quantity * unit_price - (line - share) as {SUM}) as discount",
        f"cast(line - share as {SUM}) as revenue",
    )  # fmt: skip


def measures(sales: DataFrame, grain: str, name: str) -> DataFrame:
    """The six measures by a grain."""
    by_order = sales.groupBy(F.expr(grain).alias(name), "order_id", "customer_key").agg(
        F.sum("revenue").alias("revenue"),
        F.sum("discount").alias("discount"),
        F.sum("quantity").alias("units"),
    )
    return by_order.groupBy(name).agg(
        F.expr(f"cast(sum(revenue) as {SUM})").alias("revenue"),
        F.expr(f"cast(sum(discount) as {SUM})").alias("discount"),
        F.count("*").alias("orders"),
        F.sum("units").alias("units"),
        F.count_distinct("customer_key").alias("customers"),
        F.expr(f"cast(sum(revenue) / count(*) as {SUM})").alias("average_order_value"),
    )


def _bytes_below(folder: str) -> int:
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def main(landing: str, output: str) -> None:
    """Read, transform, write the eleven gold tables."""
    config = {
        key: value
        for key, value in local_spark_config(_bytes_below(landing)).items()
        if key != "spark.sql.extensions"
    }
    spark = SparkSession.builder.config(map=config).getOrCreate()

    def write(frame: DataFrame, name: str) -> None:
        frame.write.mode("overwrite").parquet(f"{output}/{name}")

    customers, products = (current(spark, landing, name) for name in ("customers", "products"))
    orders = current(spark, landing, "orders").cache()
    items = current(spark, landing, "order_items").cache()
    facts = fact(orders, items).cache()
    write(facts, "fact_sales")
    sales = facts.where("is_sale")
    years = orders.selectExpr("year(min(order_date)) as a", "year(max(order_date)) as b")
    days = years.selectExpr("explode(sequence(make_date(a, 1, 1), make_date(b, 12, 31))) as date")
    write(
        days.selectExpr(
            "cast(date_format(date, 'yyyyMMdd') as int) as date_key", "date",
            "weekday(date) + 1 as day_of_week", "date_format(date, 'EEEE') as day_name",
            "weekofyear(date) as week", "trunc(date, 'week') as week_start_date",
            "month(date) as month", "date_format(date, 'MMMM') as month_name",
            "quarter(date) as quarter", "year(date) as year", "weekday(date) > 4 as is_weekend",
        ),
        "dim_date",
    )  # fmt: skip
    bought = sales.groupBy("customer_key").agg(
        F.count_distinct("order_id").alias("orders"), F.sum("revenue").alias("revenue"),
        F.sum("quantity").alias("units"), F.min("order_date").alias("first_order_date"),
        F.max("order_date").alias("last_order_date"),
    ).cache()  # fmt: skip
    named = orders.select(F.col("customer_id").alias("named")).distinct()
    dim_customer = (
        customers.join(named, F.col("customer_id") == F.col("named"), "full")
        .selectExpr(
            "xxhash64(coalesce(customer_id, named)) as customer_key",
            "coalesce(customer_id, named) as customer_id", "upper(country) as country", "created_at",
            "customer_id is null as is_inferred",
        )
        .join(bought, "customer_key", "left")
        .selectExpr(
            "customer_key", "customer_id", "country", "created_at",
            "case when orders is null then 'inactive' when orders = 1 then 'new' "
            "when revenue >= 5000 then 'vip' else 'regular' end as segment",
            "is_inferred",
        )
        .cache()
    )  # fmt: skip
    write(dim_customer, "dim_customer")
    sold = items.select(F.col("product_id").alias("named")).distinct()
    dim_product = (
        products.join(sold, F.col("product_id") == F.col("named"), "full")
        .selectExpr(
            "xxhash64(coalesce(product_id, named)) as product_key",
            "coalesce(product_id, named) as product_id", "sku",
            "coalesce(name, 'unknown') as name", "coalesce(category, 'unknown') as category",
            "subcategory", "brand", "price", "cost", "is_active",
            "product_id is null as is_inferred",
        )
        .cache()
    )  # fmt: skip
    write(dim_product, "dim_product")
    write(measures(sales, "order_date", "order_date"), "daily_revenue")
    write(measures(sales, "trunc(order_date, 'week')", "week_start_date"), "weekly_revenue")
    write(measures(sales, "trunc(order_date, 'month')", "month_start_date"), "monthly_revenue")
    write(
        bought.join(dim_customer, "customer_key").selectExpr(
            "customer_key", "customer_id", "orders", "units", "first_order_date",
            "last_order_date", f"cast(revenue / orders as {SUM}) as average_order_value",
        ),
        "orders_per_customer",
    )  # fmt: skip
    write(
        dim_customer.join(bought, "customer_key", "left").selectExpr(
            "customer_key", "customer_id", "segment", "coalesce(orders, 0) as orders",
            f"cast(coalesce(revenue, 0) as {SUM}) as lifetime_value",
            "row_number() over (order by coalesce(revenue, 0) desc, customer_id) as value_rank",
        ),
        "customer_lifetime_value",
    )  # fmt: skip
    by_product = sales.groupBy("product_key").agg(
        F.sum("quantity").alias("units"), F.count_distinct("order_id").alias("orders"),
        F.sum("revenue").cast(SUM).alias("revenue"),
    )  # fmt: skip
    write(
        by_product.join(dim_product, "product_key").selectExpr(
            "product_key", "product_id", "name", "category", "units", "orders", "revenue",
            "row_number() over (order by revenue desc, product_id) as revenue_rank",
        ),
        "top_products",
    )  # fmt: skip
    by_category = (
        sales.join(dim_product.select("product_key", "category"), "product_key")
        .groupBy("category", F.expr("trunc(order_date, 'month')").alias("month_start_date"))
        .agg(
            F.sum("revenue").cast(SUM).alias("revenue"),
            F.sum("discount").cast(SUM).alias("discount"),
            F.count_distinct("order_id").alias("orders"),
            F.sum("quantity").alias("units"),
        )
    )
    month = "sum(revenue) over (partition by month_start_date)"
    write(
        by_category.selectExpr(
            "*", f"cast(coalesce(revenue / {month}, 0) as decimal(9,6)) as revenue_share"
        ),
        "category_performance",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
