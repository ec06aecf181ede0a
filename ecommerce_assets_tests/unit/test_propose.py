"""What a draft guesses is marked, what it can't know is asked: exports whose values say more than
their names, made after public shops.
"""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecommerce_assets.shop import Shop, using
from ecommerce_assets.tables import tables_for
from ecommerce_assets.trial.check import check
from ecommerce_assets.trial.propose import propose

ADVENTURE_ORDERS = "SalesOrderID,OrderDate,Status,CustomerID,SubTotal,TaxAmt,Freight,TotalDue\n" + "".join(
    f"{n},2024-01-0{n},5,C{n},{10 * n}.00,{n}.90,{n}.00,{11 * n + n}.90\n".replace(f"{n}.90,{n}.00,{11 * n + n}.90", f"{n}.00,{n}.00,{12 * n}.00")
    for n in range(1, 9)
)  # fmt: skip
ADVENTURE_ITEMS = "SalesOrderID,SalesOrderDetailID,OrderQty,ProductID,UnitPrice,UnitPriceDiscount,LineTotal\n" + "".join(
    f"{n},{100 + n},2,P{n % 3},{5 * n}.00,0.00,{10 * n}.00\n" for n in range(1, 9)
)  # fmt: skip
BIKES = "order_id,customer_id,order_status,order_date,total\n" + "".join(
    f"{n},C{n},{n % 4 + 1},2024-01-0{n},{n}9.90\n" for n in range(1, 9)
)
BIKE_ITEMS = "order_id,item_id,product_id,quantity,price\n" + "".join(
    f"{n},1,P{n},1,{n}990\n" for n in range(1, 9)
)
CAPPED = "ORDERNUMBER,QUANTITYORDERED,PRICEEACH,ORDERLINENUMBER,SALES,ORDERDATE,STATUS,PRODUCTCODE,CUSTOMERNAME\n" + "".join(
    f"{n},{n},{min(100, 30 * n)}.00,1,{30 * n * n}.00,{n}/24/2003 0:00,Shipped,S{n},Ann\n" for n in range(1, 9)
)  # fmt: skip
SIGNED = "Order ID,Product ID,Quantity,Price,Order Date,Customer ID,Ship Mode\n" + "".join(
    f'{n},P{n},1,"$1,00{n}.50",12/31/2{n % 4},{"NULL" if n == 3 else f"C{n}"},x\n' for n in range(1, 9)
)  # fmt: skip
SHOPIFY = "Name,Email,Financial Status,Subtotal,Shipping,Taxes,Total,Discount Amount,Created at,Refunded Amount,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku\n" + "".join(
    f"#{n},a{n}@x.de,paid,18.00,5.00,3.67,23.00,2.00,2024-01-0{n} 10:00:00 +0100,0.00,1,Mug,10.00,M\n#{n},,,,,,,,,,1,Cup,10.00,C\n"
    for n in range(1, 9)
)  # fmt: skip


def drafted(tmp_path: Path, **files: str | bytes) -> tuple[str, dict[str, Any]]:
    """The draft, as text and read; it is a shop file."""
    paths = []
    tmp_path.mkdir(exist_ok=True)
    for name, text in files.items():
        path = tmp_path / name.replace("__", ".")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        paths.append(path)
    draft = propose(paths, date(2024, 1, 1))
    tables_for(Shop("draft.toml", draft))
    return draft, tomllib.loads(draft)


def revenue(tmp_path: Path, draft: str, **files: str | bytes) -> Decimal:
    """By the draft, of the files as one delivery."""
    for name, text in files.items():
        folder = tmp_path / "landing" / name.partition("__")[0] / "ingestion_date=2024-12-31"
        folder.mkdir(parents=True)
        (folder / "a.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    with using(Shop("draft.toml", draft)):
        months = check(str(tmp_path / "landing")).months
    return sum((month["revenue"] for month in months), Decimal(0))


def test_glued_words_and_totals_that_add_up(tmp_path: Path) -> None:
    files = {"orders__csv": ADVENTURE_ORDERS, "details__csv": ADVENTURE_ITEMS}
    draft, read = drafted(tmp_path, **files)
    orders, items = read["tables"]["orders"], read["tables"]["order_items"]
    assert (orders["key"], items["key"]) == ("SalesOrderID", "SalesOrderDetailID")
    assert (items["quantity"], items["unit_price"]) == ("OrderQty", "UnitPrice")
    assert (orders["tax_amount"], orders["shipping_amount"]) == ("TaxAmt", "Freight")
    assert "# 'TotalDue' is the items plus 'Freight' plus 'TaxAmt' for 100 % of 8 orders." in draft
    assert "# guessed: its name ends in orderid" in draft
    assert revenue(tmp_path, draft, **files) == Decimal("360.00")


def test_statuses_of_numbers_and_cents(tmp_path: Path) -> None:
    files = {"orders__csv": BIKES, "order_items__csv": BIKE_ITEMS}
    draft, read = drafted(tmp_path, **files)
    assert read["tables"]["orders"]["status"] == "order_status"
    assert set(read["vocabulary"]["statuses"]) == {"1", "2", "3", "4"}
    assert draft.count("# ? the draft takes it for a sale") == 4
    assert "# guessed: the amounts of the items are cents: a hundred times the others." in draft
    assert 'unit_price = { sql = "number(`price`) * 0.01" }    # guessed: cents' in draft
    assert revenue(tmp_path, draft, **files) == Decimal("439.20")


def test_few_whole_numbers_may_be_the_status(tmp_path: Path) -> None:
    draft, read = drafted(
        tmp_path, orders__csv=BIKES.replace("order_status", "phase"), order_items__csv=BIKE_ITEMS
    )
    assert read["tables"]["orders"]["status"] == "phase"
    assert "# guessed: few whole numbers; it may be another thing" in draft


def test_a_price_that_does_not_make_the_amounts(tmp_path: Path) -> None:
    draft, read = drafted(tmp_path, sales__csv=CAPPED)
    items = read["tables"]["order_items"]
    assert (items["quantity"], items["line_total"]) == ("QUANTITYORDERED", "SALES")
    assert items["unit_price"] == {"sql": "round(number(`SALES`) / number(`QUANTITYORDERED`), 8)"}
    assert "# ? which is right, 'SALES' or 'PRICEEACH'? The draft takes 'SALES'." in draft
    assert revenue(tmp_path, draft, sales__csv=CAPPED) == Decimal("6120.00")


def test_signs_separators_short_years_and_nulls(tmp_path: Path) -> None:
    draft, read = drafted(tmp_path, store__csv=SIGNED)
    source = read["sources"]["store"]
    assert source["thousands"] == ","
    assert source["times"] == ["MM/dd/yy"]
    assert source["nulls"] == ["NULL"]
    assert read["shop"]["currency"] == "USD"
    assert "# guessed: '$1,001.50' is 1001.50" in draft
    assert revenue(tmp_path, draft, store__csv=SIGNED) == Decimal("8040.00")


def test_utf_16_with_tabs(tmp_path: Path) -> None:
    text = SIGNED.replace('"', "").replace("$1,00", "100").replace(",", "\t")
    for data in (text.encode("utf-16"), text.encode("utf-16-le")):
        _, read = drafted(tmp_path, export__csv=data)
        assert read["sources"]["export"]["encoding"] == "utf-16"
        assert read["sources"]["export"]["delimiter"] == "\t"


def test_fields_of_an_order_on_its_first_line_and_refunds(tmp_path: Path) -> None:
    draft, read = drafted(tmp_path, orders_export__csv=SHOPIFY)
    down = read["sources"]["orders_export"]["fill_down"]
    assert down["within"] == ["Name"]
    assert {"Email", "Created at", "Total", "Discount Amount"} <= {*down["columns"]}
    assert "# 'Total' is the items less 'Discount Amount' plus 'Shipping' for 100 %" in draft
    assert read["shop"]["prices_include_tax"]
    returned = read["tables"]["returns"]
    assert (returned["refund_amount"], returned["key"]) == ("Refunded Amount", "Name")
    # 18.00 of goods and 5.00 of shipping include a tax of 3.67: 2.87 of the goods' amount.
    assert revenue(tmp_path, draft, orders_export__csv=SHOPIFY) == 8 * Decimal("15.13")


@pytest.mark.parametrize(
    ("names", "pattern"),
    [(("sales__csv",), None), (("Sales_2024-01__csv", "Sales_2024-02__csv"), "Sales*.csv"),
     (("export__txt",), "export*.txt"), (("1__csv", "2__csv"), "*.csv")],
)  # fmt: skip
def test_files_whose_names_are_not_the_sources(
    tmp_path: Path, names: tuple[str, ...], pattern: str | None
) -> None:
    _, read = drafted(tmp_path, **dict.fromkeys(names, CAPPED))
    (source,) = read["sources"].values()
    assert source.get("files") == pattern


def test_payments_and_whole_numbers_are_asked_about(tmp_path: Path) -> None:
    draft, _ = drafted(
        tmp_path,
        orders__csv="id,user_id,order_date,status\n1,1,2018-01-01,completed\n",
        payments__csv="id,order_id,payment_method,amount\n7,1,card,1000\n8,1,card,2500\n",
    )
    assert "# ? payments stand for items, since no file has items" in draft
    assert "# ? all amounts are whole numbers. If they are cents" in draft
    assert "# The orders begin on 2018-01-01: ECOMMERCE_START_DATE=2018-01-01" in draft


def test_orders_and_items_in_cents_are_asked_about(tmp_path: Path) -> None:
    files = {"orders__csv": BIKES.replace("9.90", "990"), "order_items__csv": BIKE_ITEMS}
    draft, _ = drafted(tmp_path, **files)
    assert "# 'total' is the items for 100 % of 8 orders." in draft
    assert "# ? all amounts are whole numbers. If they are cents" in draft


def test_products_have_the_prices_of_the_items(tmp_path: Path) -> None:
    """In cents, or with a sign, and the rows that speak of them."""
    items = BIKE_ITEMS.replace("quantity,price", "quantity,price,name").replace(
        "990\n", "990,Bike\n"
    )
    _, read = drafted(tmp_path, orders__csv=BIKES, order_items__csv=items)
    assert read["tables"]["products"]["price"] == {"sql": "number(`price`) * 0.01"}
    signed = SIGNED.replace("1,P1,1,", "1,P1,-1,", 1)
    _, read = drafted(tmp_path / "signed", store__csv=signed.replace("Ship Mode", "Product Name"))
    price = "number(replace(`Price`, '$', ''))"
    assert read["tables"]["products"]["where"] == f"number(`Quantity`) > 0 and {price} > 0"
    assert read["tables"]["products"]["price"] == {"sql": price}


def test_headers_without_a_name_or_twice_and_values_that_never_meet(tmp_path: Path) -> None:
    text = "order_id,order_date,customer_id,product_id,quantity,price,amount,note,note,\n"
    rows = "1,2024-01-01,C,P,1,,2.00,a,b,\n2,2024-01-02,C,Q,,3.00,,a,b,\n"
    _, read = drafted(tmp_path, sales__csv=text + rows)
    assert "note" not in str(read["sources"])


def test_orders_of_several_currencies_are_asked_about(tmp_path: Path) -> None:
    orders = "order_id,customer_id,order_date,status,total,currency\n" + "".join(
        f"{n},C{n},2024-01-0{n},paid,10.00,{'GBP' if n == 3 else 'SEK'}\n" for n in range(1, 9)
    )
    items = "order_id,item_id,product_id,quantity,price\n" + "".join(
        f"{n},{n},P{n},1,10.00\n" for n in range(1, 9)
    )
    draft, read = drafted(tmp_path, orders__csv=orders, order_items__csv=items)
    assert read["shop"]["currency"] == "SEK"
    assert "orders are in SEK, GBP. List those beside the reporting currency" in draft
