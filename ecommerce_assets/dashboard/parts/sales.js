// The page of sales.

const SHOWN_PRODUCTS = 20;
const MORE_PRODUCTS = 100;
// Upper bounds of the classes of customers by revenue.
const CLASSES = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, Infinity];

// `better` says which way is good: 1 up, -1 down; `of` says of what the figure is.
const TILES = [
  {
    key: "revenue",
    name: "Revenue",
    show: money,
    better: 1,
    of: () => "By day of the order: after discounts, before tax and shipping; without cancelled and returned orders.",
  },
  {
    key: "returned",
    name: "Returned",
    show: money,
    better: -1,
    of: (now) => `By day of the return: what came back in ${plural(now.returns, "return")}.`,
  },
  { key: "net", name: "Net revenue", show: money, better: 1, of: () => "Revenue less what came back in the period." },
  {
    key: "returnRate",
    name: "Rate of return",
    show: percent,
    better: -1,
    points: true,
    of: () => "What came back in the period, of its revenue.",
  },
  {
    key: "orders",
    name: "Orders",
    show: (n) => whole.format(n),
    better: 1,
    of: (now) => `Of ${plural(now.placed, "order")} with items, those neither cancelled nor returned.`,
  },
  { key: "average", name: "Average order value", show: money, better: 1, of: () => "Revenue divided by orders." },
  {
    key: "customers",
    name: "Customers",
    show: (n) => whole.format(n),
    better: 1,
    of: () => "Who bought in the period, each counted once.",
  },
  {
    key: "added",
    name: "New customers",
    show: (n) => whole.format(n),
    better: 1,
    of: (now) =>
      now.customers
        ? `Bought for the first time ever: ${percent(now.added / now.customers)} of the customers.`
        : "Bought for the first time ever.",
  },
  {
    key: "perCustomer",
    name: "Average orders per customer",
    show: (n) => twoDigits.format(n),
    better: 1,
    of: () => (sales.guest < 0 ? "Orders divided by customers." : "Orders divided by customers, both without guests."),
  },
  {
    key: "lost",
    name: "Returned or cancelled",
    show: percent,
    better: -1,
    points: true,
    of: (now) => {
      const { can_be_lost, left_out } = figures.orders;
      const counted = can_be_lost
        ? `${whole.format(now.placed - now.orders)} of ${plural(now.placed, "order")} with items.`
        : "No status of the shop file means cancelled or returned.";
      return left_out.length
        ? `${counted} Lines that it leaves out are no sales, by ${left_out.join(" and ")}.`
        : counted;
    },
  },
  {
    key: "margin",
    name: "Gross margin",
    show: percent,
    better: 1,
    points: true,
    of: (now) =>
      now.costed
        ? `Revenue less the products' cost of today, of the ${percent(now.costed)} of revenue whose cost is known.`
        : "The cost of no product sold is known.",
  },
];

function changeOf(tile, now, before) {
  if (now === null || before === null || before === undefined) return null;
  if (tile.points) return { by: (now - before) * 100, unit: "points" };
  return before === 0 ? null : { by: (now / before - 1) * 100, unit: "%" };
}

function drawSales() {
  const range = { from: view.from, to: view.to };
  const than = comparedWith(range);
  const comparable = than.from >= 0;
  const now = measures(range, view.filters);
  const before = comparable ? measures(than, view.filters) : {};
  drawPeriod(range, than, comparable);
  put(
    "tiles",
    ...TILES.map((shown) => {
      const value = now[shown.key];
      const change = changeOf(shown, value, before[shown.key]);
      const rounded = change && Math.round(change.by * 10) / 10;
      // Without any figure to compare with, the period says so, once.
      const text =
        change === null
          ? "no figure to compare with"
          : `${rounded > 0 ? "▲ +" : rounded < 0 ? "▼ −" : "= "}${oneDigit.format(Math.abs(rounded))} ${change.unit}`;
      const mood = !rounded ? "" : rounded * shown.better > 0 ? "good" : "bad";
      return tile(
        shown.name,
        value === null ? "–" : shown.show(value),
        shown.of(now),
        comparable ? element("dd", { class: `change ${mood}` }, text) : null,
      );
    }),
  );
  const spans = bySpan(range, view.filters, spanOf);
  drawRevenue(spans);
  drawNewCustomers(spans);
  drawCategories(range);
  drawCountries(range);
  drawSegments(range);
  drawCurrencies(range);
  drawValues(range);
  drawReturns(spans);
  drawReasons(range);
  drawProducts(range);
  drawCohorts(range);
}

function drawPeriod(range, than, comparable) {
  const length = range.to - range.from + 1;
  let without = 0;
  for (let day = range.from; day <= range.to; day++) without += sales.orders[day] === 0;
  const compared = `${isoOf(than.from)} to ${isoOf(than.to)}`;
  put(
    "period",
    `${isoOf(range.from)} to ${isoOf(range.to)}, ${plural(length, "day")}`,
    without ? `, ${whole.format(without)} of them without an order` : "",
    comparable ? `; compared with ${compared}.` : `; no comparison: no data for all of ${compared}.`,
    sales.limitedTo
      ? ` This page holds ${whole.format(sales.limitedTo)} order lines at most ` +
          `(ECOMMERCE_DASHBOARD_LINES), those since ${isoOf(0)}.`
      : "",
  );
  const active = Object.entries(view.filters).filter(([, place]) => place !== null);
  byId("filtered").hidden = !active.length;
  put(
    "filtered",
    "Only ",
    ...active.map(([name, place]) => {
      const button = element(
        "button",
        { type: "button", "data-filter": name, "aria-label": `Remove the filter: ${name} ${filterName(name, place)}` },
        `${name}: ${filterName(name, place)} ✕`,
      );
      button.addEventListener("click", () => {
        filterBy(name, place);
        byId(name).focus(); // the button is gone
      });
      return button;
    }),
  );
}

const units = (name, key) => ({
  name,
  show: (row) => money(row[key]),
  value: (row) => decimal(row[key]),
  number: true,
});
const revenueColumn = units("Revenue", "revenue");
const count = (name, key) => ({ name, show: (row) => whole.format(row[key]), value: (row) => row[key], number: true });
const named = (name, key = "name") => ({ name, show: (row) => row[key] });

// A click on a bar shows its days.
const zoom = (row) => step({ from: row.first, to: row.last, ranged: true, asked: null, grain: "day" });

function drawRevenue(spans) {
  const rows = spans.map((row) => ({ ...row, amount: row.revenue / UNITS, shown: money(row.revenue) }));
  chart(
    "revenue",
    {
      mark: { type: "bar", tooltip: true },
      encoding: {
        x: { field: "start", type: "ordinal", title: null, axis: spanAxis },
        y: amount("amount"),
        tooltip: tip(["start", spanTitle()], ["shown", "Revenue"]),
      },
    },
    [named(spanTitle(), "start"), revenueColumn, units("Returned", "returned"), units("Net revenue", "net")],
    rows,
    `Revenue by ${view.grain}`,
    { onClick: zoom },
  );
}

function drawReturns(spans) {
  const rows = spans.map((row) => ({ ...row, amount: row.returned / UNITS, shown: money(row.returned) }));
  chart(
    "returns",
    {
      mark: { type: "bar", tooltip: true },
      encoding: {
        x: { field: "start", type: "ordinal", title: null, axis: spanAxis },
        y: amount("amount"),
        tooltip: tip(["start", spanTitle()], ["shown", "Returned"]),
      },
    },
    [named(spanTitle(), "start"), units("Returned", "returned")],
    rows.some((row) => row.returned) ? rows : [],
    `Returned by ${view.grain}`,
    { onClick: zoom },
  );
}

function drawNewCustomers(spans) {
  const rows = spans.map((row) => ({ ...row, returning: row.customers - row.added, again: row.known - row.fresh }));
  const shown = rows.flatMap((row) =>
    [
      ["new", row.added],
      ["returning", row.returning],
    ].map(([kind, customers]) => ({ ...row, kind, customers, shown: whole.format(customers) })),
  );
  chart(
    "new-customers",
    {
      mark: { type: "bar", tooltip: true },
      encoding: {
        x: { field: "start", type: "ordinal", title: null, axis: spanAxis },
        y: amount("customers"),
        color: { field: "kind", type: "nominal", title: null },
        tooltip: tip(["start", spanTitle()], ["kind", "Customers"], ["shown", "Number of them"]),
      },
    },
    [
      named(spanTitle(), "start"),
      count("New customers", "added"),
      count("Returning customers", "returning"),
      units("Revenue of new customers", "fresh"),
      units("Revenue of returning customers", "again"),
    ],
    rows,
    `New and returning customers by ${view.grain}`,
    { onClick: zoom, shown },
  );
}
