"""The oracle itself, on cases worked out by hand."""

import gzip
import re
from datetime import date
from pathlib import Path

from ecommerce_assets_tests.oracle import DEFAULT, xxhash64

LANDED = {
    "customers/ingestion_date=2024-01-01/rows.csv": """\
\ufeff extra , email,customer_id,country,created_at,updated_at
hello,A@X.com,C1,de,2024-01-01,2023-01-01T00:00

,c@x.com,C2,fr,2024-01-01,
,bad@x,C3,X,2024-02-30,,"more, ""é""\n"
,d@x.com, C4\u3000,fr,2024-01-01,
,e@x.com,C5,fr,2024-01-01
,f@x.com,C6,fr,2024-01-01T01:00+02:00,
""",
    "customers/ingestion_date=2024-01-02/a.csv.gz": """customer_id,email,country,created_at
C1,null.loses@x.com,de,2024-01-01
C2,late@x.com,fr,2024-01-01
C4,file.a@x.com,fr,2024-01-01
""",
    "customers/ingestion_date=2024-01-02/b.csv": """customer_id,email,country,created_at
C4,file.b@x.com,fr,2024-01-01
C4,file.b.row.2@x.com,fr,2024-01-01
C4,invalid.never.wins,fr,2024-01-01
""",
    "customers/ingestion_date=2024-01-02/b.txt": "not read",
    "customers/ingestion_date=2024-01-02/c.csv": "",
    "products/ingestion_date=2024-01-01/rows.csv": """product_id,name,category,price,cost,is_active
P1,One,Books,-0.00001,1.005,YES
P2,Two,toys,1,,0
P3,Three,toys,-0.005,1e3,y
""",
    "orders/ingestion_date=2024-01-01/rows.csv": """\
order_id,customer_id,order_date,status,total_amount,discount_amount
O1,C1,2024-01-31T23:30:00-01:00,SHIPPED,3,0.05
O2,C4,2024-02-05,shipped,1,
O3,C4,2024-02-06,shipped,1,
O4,C5,2024-02-05,shipped,1,
O5,C5,2024-02-07,shipped,1,
O6,C2,2024-02-05,cancelled,1,
O7,C9,2024-02-11,shipped,1,0.01
O8,C9,2024-03-31,shipped,1,9
O9,C9,2024-03-31,shipped,1,1
""",
    "order_items/ingestion_date=2024-01-01/rows.csv": """\
order_item_id,order_id,product_id,quantity,unit_price,discount_percent,line_total
I3,O1,P1,1,1,,1
I2,O1,P1,1,1,,1
I1,O1,P1,1,1,,1
I4,O2,P1,1,2500,,
I5,O3,P1,2.0,1250,,
I6,O4,P2,1,2500,,
I7,O5,P2,1,2499.99,,
I8,O6,P1,1,100,,
I9,O7,P6,1,1,,
IA,O7,P5,1,2,,
IB,O9,P8,1,0,,
IC,O8,P7,3,0.15,10,
ID,OX,PX,1,1,,
IE,O1,P1,2147483647,9999999999.99,,
IF,O1,P1,0,1,101,-1
""",
}


MEASURES = "revenue, discount, orders, units, customers, average_order_value"
# The rows that a hand worked out from LANDED: bars between values, two spaces between rows.
EXPECTED = {
    "SELECT _row_number, length(customer_id), _rescued_data FROM bronze.customers LIMIT 4": r"""
        1|2|{"extra": "hello"}
        2|2|{"extra": ""}
        3|2|{"_surplus_fields": ["more, \"é\"\n"], "extra": ""}
        4|4|{"extra": ""}""",
    "SELECT customer_id, email, country, created_at, _row_number FROM silver.customers": """
        C1|a@x.com|DE|2024-01-01 00:00:00|1  C2|late@x.com|FR|2024-01-01 00:00:00|2
        C4|file.b.row.2@x.com|FR|2024-01-01 00:00:00|2  C5|e@x.com|FR|2024-01-01 00:00:00|5
        C6|f@x.com|FR|2023-12-31 23:00:00|6""",
    "SELECT customer_id, _reasons FROM silver.customers_quarantine": """
        C3|['country', 'created_at', 'email']  C4|['email']""",
    "SELECT product_id, price, cost, is_active, category FROM silver.products": """
        P1|0.0000|1.0050|True|books  P2|1.0000|None|False|toys""",
    "SELECT product_id, _reasons FROM silver.products_quarantine": """
        P3|['cost', 'is_active', 'price']""",
    "SELECT order_item_id, _reasons FROM silver.order_items_quarantine": """
        IE|['quantity x unit_price']
        IF|['discount_percent', 'line_total', 'quantity']""",
    "SELECT order_item_id, order_date, gross_amount, discount, revenue, is_sale "
    "FROM gold.fact_sales": """
        I1|2024-02-01|1.00|0.02|0.98|True  I2|2024-02-01|1.00|0.02|0.98|True
        I3|2024-02-01|1.00|0.01|0.99|True  I4|2024-02-05|2500.00|0.00|2500.00|True
        I5|2024-02-06|2500.00|0.00|2500.00|True  I6|2024-02-05|2500.00|0.00|2500.00|True
        I7|2024-02-07|2499.99|0.00|2499.99|True  I8|2024-02-05|100.00|0.00|100.00|False
        I9|2024-02-11|1.00|0.00|1.00|True  IA|2024-02-11|2.00|0.01|1.99|True
        IB|2024-03-31|0.00|0.00|0.00|True  IC|2024-03-31|0.45|0.45|0.00|True""",
    "SELECT count(*), min(date_key), max(date_key) FROM gold.dim_date": "366|20240101|20241231",
    "SELECT * FROM gold.dim_date WHERE date_key = 20241230": """
        20241230|2024-12-30|1|Monday|1|2024-12-30|12|December|4|2024|False""",
    "SELECT customer_id, segment, is_inferred FROM gold.dim_customer": """
        C1|new|False  C2|inactive|False  C4|vip|False
        C5|regular|False  C6|inactive|False  C9|regular|True""",
    "SELECT product_id, name, category, price, is_inferred FROM gold.dim_product": """
        P1|One|books|0.0000|False  P2|Two|toys|1.0000|False  P5|unknown|unknown|None|True
        P6|unknown|unknown|None|True  P7|unknown|unknown|None|True  P8|unknown|unknown|None|True
        PX|unknown|unknown|None|True""",
    f"SELECT order_date, {MEASURES} FROM gold.daily_revenue": """
        2024-02-01|2.95|0.05|1|3|1|2.95  2024-02-05|5000.00|0.00|2|2|2|2500.00
        2024-02-06|2500.00|0.00|1|2|1|2500.00  2024-02-07|2499.99|0.00|1|1|1|2499.99
        2024-02-11|2.99|0.01|1|2|1|2.99  2024-03-31|0.00|0.45|2|4|1|0.00""",
    f"SELECT week_start_date, {MEASURES} FROM gold.weekly_revenue": """
        2024-01-29|2.95|0.05|1|3|1|2.95  2024-02-05|10002.98|0.01|5|7|3|2000.60
        2024-03-25|0.00|0.45|2|4|1|0.00""",
    f"SELECT month_start_date, {MEASURES} FROM gold.monthly_revenue": """
        2024-02-01|10005.93|0.06|6|10|4|1667.66  2024-03-01|0.00|0.45|2|4|1|0.00""",
    "SELECT * EXCLUDE (customer_key) FROM gold.orders_per_customer": """
        C1|1|3|2024-02-01|2024-02-01|2.95  C4|2|3|2024-02-05|2024-02-06|2500.00
        C5|2|2|2024-02-05|2024-02-07|2500.00  C9|3|6|2024-02-11|2024-03-31|1.00""",
    "SELECT value_rank, customer_id, orders, lifetime_value FROM gold.customer_lifetime_value": """
        1|C4|2|5000.00  2|C5|2|4999.99  3|C9|3|2.99  4|C1|1|2.95  5|C2|0|0.00  6|C6|0|0.00""",
    "SELECT revenue_rank, product_id, units, orders, revenue FROM gold.top_products": """
        1|P1|6|3|5002.95  2|P2|2|2|4999.99  3|P5|1|1|1.99  4|P6|1|1|1.00  5|P7|3|1|0.00
        6|P8|1|1|0.00""",
    "SELECT category, month_start_date, revenue, discount, orders, units, revenue_share "
    "FROM gold.category_performance": """
        books|2024-02-01|5002.95|0.05|3|6|0.499999  toys|2024-02-01|4999.99|0.00|2|2|0.499703
        unknown|2024-02-01|2.99|0.01|1|2|0.000299  unknown|2024-03-01|0.00|0.45|2|4|0.000000""",
}


def test_the_oracle_on_cases_worked_out_by_hand(tmp_path: Path) -> None:
    assert xxhash64("Spark") == -4294468057691064905
    assert xxhash64("Nobody inspects the spammish repetition", 0) == 0xFBCEA83C8A378BF1 - (1 << 64)
    con = DEFAULT.connect()
    for name, text in LANDED.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    DEFAULT.build(con, tmp_path, [])
    assert all(not con.sql(f"FROM {name}").fetchall() for name in DEFAULT.sql)
    DEFAULT.build(con, tmp_path, [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)])
    for query, text in EXPECTED.items():
        ordered = query if "LIMIT" in query else f"{query} ORDER BY ALL"
        found = ["|".join(map(str, row)) for row in con.sql(ordered).fetchall()]
        expected = re.split(r"\s{2,}", text.strip())
        assert [row.strip() for row in found] == expected, "\n".join([query, *found])
