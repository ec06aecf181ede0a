"""The shop files of the package: what a small export of each kind becomes."""

from decimal import Decimal

import pytest

from ecommerce_assets.shop import shipped_shops, using
from ecommerce_assets.tables import tables_for
from ecommerce_assets_tests.shop import DAY, Shop

D = Decimal
SHOPIFY = """\
Name,Email,Financial Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Billing Country,Cancelled at,Refunded Amount,Lineitem discount
#1001,Ann@example.com,paid,EUR,30.00,4.90,5.57,34.90,0.00,2024-01-01 00:30:00 +0100,2,Mug,10.00,MUG,DE,,0.00,0.00
#1001,,,,,,,,,,1,Plate,12.00,,,,,2.00
#1002,,paid,EUR,9.00,0.00,1.44,9.00,1.00,2024-01-01 12:00:00 +0100,1,Mug,10.00,MUG,,,0.00,0.00
#1003,bob@example.com,refunded,EUR,10.00,0.00,1.60,10.00,0.00,2024-01-01 13:00:00 +0100,1,Mug,10.00,MUG,AT,,10.00,0.00
#1004,bob@example.com,paid,EUR,10.00,0.00,1.60,10.00,0.00,2024-01-01 14:00:00 +0100,1,Mug,10.00,MUG,AT,2024-01-01 15:00:00 +0100,10.00,0.00
#1005,eve@example.com,partially_refunded,EUR,1000.00,0.00,159.66,1000.00,0.00,2024-01-01 14:00:00 +0100,1,Sofa,1000.00,SOFA,AT,,900.00,0.00
"""
WOOCOMMERCE = """\
order number,Order Status,Order Date,Order Total Amount,Item #,Item Name,Quantity (- Refund),Item Cost,SKU,Email (Billing),Country Code (Billing),Payment Method Title
7,Completed,2024-01-01 10:00,25.00,1,Mug,2,10.00,MUG,ann@example.com,DE,PayPal
7,Completed,2024-01-01 10:00,25.00,2,Plate,1,5.00,,ann@example.com,DE,PayPal
8,Cancelled,2024-01-01 11:00,10.00,1,Mug,1,10.00,MUG,,,
9,On hold,2024-01-01 12:00,10.00,1,Mug,0,10.00,MUG,ann@example.com,DE,PayPal
"""
ERP = """\
Umsätze je Beleg
Belegnr;Position;Belegdatum;Kundennr;Kunde;Ort;Land;Artikelnr;Bezeichnung;Warengruppe;Menge;Einzelpreis;Rabatt %;Betrag;Belegart
R1;1;01.01.2024 10:00;K1;Müller;Köln;Deutschland;A1;Stühle, groß;Möbel;2;1.234,50;10;2.222,10;Rechnung
R1;2;01.01.2024;K1;Müller;Köln;Deutschland;A2;Hocker;-;1;0,125;0;-;Rechnung
G1;1;01.01.2024;K2;Weiß;Wien;Österreich;A1;Stühle, groß;Möbel;-1;1.234,50;0;-1.234,50;Gutschrift
R2;1;31.12.2023;K2;Weiß;Wien;Österreich;A1;Stühle, groß;Möbel;1;12.34,5;0;10,00;Rechnung
R3;1;1.2.2024;K2;Weiß;Wien;Österreich;A1;Stühle, groß;Möbel;1;1,00;0;1,00;Rechnung
"""


def loaded(shop: Shop, name: str, source: str, text: str, encoding: str = "utf-8") -> None:
    shop.file(source).write_bytes(text.encode(encoding))
    with using(shipped_shops()[name]):
        shop.run_all()


@pytest.mark.parametrize("name", shipped_shops())
def test_every_shipped_file_is_right(name: str) -> None:
    assert tables_for(shipped_shops()[name])


def test_shopify(shop: Shop) -> None:
    loaded(shop, "shopify", "orders_export", SHOPIFY)
    facts = shop.query(
        "select is_sale, revenue, discount, tax, order_date from gold.fact_sales order by sale_key, 1"
    )
    assert {str(fact.pop("order_date")) for fact in facts} == {"2024-01-01"}
    # 4.79 of the tax of 5.57 are the items', the rest is that of shipping.
    assert sorted(tuple(fact.values()) for fact in facts) == [
        (False, D("8.40"), D("0.00"), D("1.60")), (True, D("7.56"), D("0.84"), D("1.44")),
        (True, D("8.40"), D("0.00"), D("1.60")), (True, D("8.40"), D("1.68"), D("1.60")),
        (True, D("16.81"), D("0.00"), D("3.19")), (True, D("840.34"), D("0.00"), D("159.66")),
    ]  # fmt: skip
    order = shop.one(
        "select shipping, tax, total_paid from gold.fact_orders where order_id = '#1001'"
    )
    assert order == {"shipping": D("4.12"), "tax": D("5.57"), "total_paid": D("34.90")}
    returned = shop.query("select order_id, is_counted, returned_amount, refunded_amount "
                          "from gold.fact_returns order by 1")  # fmt: skip
    assert [tuple(row.values()) for row in returned] == [
        ("#1003", True, D("8.40"), D("10.00")), ("#1004", False, D("8.40"), D("10.00")),
        ("#1005", True, D("756.31"), D("900.00")),
    ]  # fmt: skip
    day = shop.one("select revenue, returned, net_revenue from gold.daily_revenue")
    assert day == {"revenue": D("881.51"), "returned": D("764.71"), "net_revenue": D("116.80")}
    # The address is in silver.customers alone.
    ids = shop.query("select customer_id from gold.dim_customer")
    assert [one["customer_id"] for one in ids if "@" in one["customer_id"]] == []
    orders = shop.query("select order_id, coalesce(email, customer_id) as customer, status "
                        "from silver.orders left join silver.customers using (customer_id) "
                        "order by 1")  # fmt: skip
    assert [tuple(order.values()) for order in orders] == [
        ("#1001", "ann@example.com", "paid"), ("#1002", "(guest)", "paid"),
        ("#1003", "bob@example.com", "refunded"), ("#1004", "bob@example.com", "voided"),
        ("#1005", "eve@example.com", "partially_refunded"),
    ]  # fmt: skip
    products = shop.query("select product_id, name from silver.products order by 1")
    assert [tuple(row.values()) for row in products] == [
        ("MUG", "Mug"), ("Plate", "Plate"), ("SOFA", "Sofa"),
    ]  # fmt: skip
    # The second line of an order has the day of its first one.
    filled = shop.one("select _filled_down['Created_at'] as day, _line_number as n "
                      "from bronze.orders_export where _row_number = 2")  # fmt: skip
    assert filled == {"day": "2024-01-01 00:30:00 +0100", "n": 2}
    assert shop.query("select * from silver.products_quarantine") == []


def test_woocommerce(shop: Shop) -> None:
    loaded(shop, "woocommerce", "orders_export", WOOCOMMERCE)
    day = shop.one("select revenue, orders, units, customers from gold.daily_revenue")
    assert day == {"revenue": D("25.00"), "orders": 1, "units": 3, "customers": 1}
    order = shop.one("select status, payment_method, order_date from silver.orders "
                     "where order_id = '7'")  # fmt: skip
    assert (order["status"], order["payment_method"]) == ("completed", "paypal")
    assert f"{order['order_date']:%H:%M}" == "09:00"  # 10:00 in Berlin


def test_erp(shop: Shop) -> None:
    loaded(shop, "erp", "belege", ERP, "cp1252")
    facts = shop.query("select order_item_id, unit_price, revenue from gold.fact_sales order by 1")
    assert [tuple(fact.values()) for fact in facts] == [
        ("R1|1", D("1234.5000"), D("2222.10")), ("R1|2", D("0.1250"), D("0.13")),
    ]  # fmt: skip
    (broken,) = shop.query("select _reasons, Einzelpreis from silver.order_items_quarantine")
    assert broken == {
        "_reasons": ["unit_price: not a number, or out of range"], "Einzelpreis": "12.34,5",
    }  # fmt: skip
    customers = shop.query(
        "select customer_id, last_name, country from silver.customers order by 1"
    )
    assert [tuple(row.values()) for row in customers] == [
        ("K1", "Müller", "DE"),
        ("K2", "Weiß", "AT"),
    ]
    products = shop.query("select product_id, category from gold.dim_product order by 1")
    assert [tuple(row.values()) for row in products] == [("A1", "möbel"), ("A2", "unknown")]
    back = shop.one("select return_id, is_order_known, returned_amount, reason, customer_id "
                    "from gold.fact_returns join gold.dim_customer using (customer_key)")  # fmt: skip
    assert back == {"return_id": "G1|1", "is_order_known": False, "returned_amount": D("1234.50"),
                    "reason": "Gutschrift", "customer_id": "K2"}  # fmt: skip


def test_tables_that_no_source_feeds_are_known_by_their_ids(shop: Shop) -> None:
    from ecommerce_assets.shop import Shop as ShopFile

    text = shipped_shops()["default"].text
    for table in ("customers", "products"):
        text = text.replace(f'[tables.{table}]\nfrom = "{table}"\nrepeats = true\n', "")
    with using(ShopFile("our.toml", text)):
        shop.deliver("orders", {})
        shop.deliver("order_items", {})
        shop.run_all()
    assert shop.query("select * from silver.customers") == []
    customer = shop.one("select customer_id, is_inferred, segment from gold.dim_customer")
    assert customer == {"customer_id": "C1", "is_inferred": True, "segment": "new"}
    assert shop.one("select count(*) as n from gold.top_products")["n"] == 1


def test_sources_may_share_a_folder(shop: Shop) -> None:
    from ecommerce_assets.errors import PipelineError
    from ecommerce_assets.shop import Shop as ShopFile

    text = shipped_shops()["default"].text
    for name in ("customers", "products", "orders", "order_items"):
        text = text.replace(
            f"[sources.{name}]\n", f'[sources.{name}]\nfolder = "drop"\nfiles = "{name}_*.txt"\n'
        )
    with using(ShopFile("our.toml", text)):
        for name in ("customers", "products", "orders", "order_items"):
            shop.deliver(name, {})
            target = shop.file("drop", name=f"{name}_1.txt")
            shop.file(name).rename(target)
            shop.file(name).parent.rmdir()
            (shop.landing / name).rmdir()
        shop.run_all()
        assert shop.one("select revenue from gold.daily_revenue")["revenue"] == D("10.00")
    both = text.replace('files = "orders_*.txt"', 'files = "order*.txt"')
    with (
        using(ShopFile("our.toml", both)),
        pytest.raises(
            PipelineError,
            match=r"order_items_1.txt: the sources order_items and orders both read it",
        ),
    ):
        shop.run("bronze", "orders", DAY)
