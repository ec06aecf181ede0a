// The page of sales.

const SHOWN_PRODUCTS = 20;
const MORE_PRODUCTS = 100;
// Upper bounds of the classes of customers by revenue, EUR.
const CLASSES = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, Infinity];

// `better` says which way is good: 1 up, -1 down; `of` says of what the figure is.
const TILES = [
  { key: "revenue", name: "Revenue", show: money, better: 1,
    of: () => "Net item revenue: after discounts, before tax and shipping; without cancelled and returned orders." },
  { key: "orders", name: "Orders", show: (n) => whole.format(n), better: 1,
    of: (now) => `Of ${plural(now.placed, "order")} placed, those neither cancelled nor returned.` },
  { key: "average", name: "Average order value", show: money, better: 1,
    of: () => "Revenue divided by orders." },
  { key: "customers", name: "Customers", show: (n) => whole.format(n), better: 1,
    of: () => "Who bought in the period, each counted once." },
  { key: "added", name: "New customers", show: (n) => whole.format(n), better: 1,
    of: (now) => (now.customers ? `Bought for the first time ever: ${percent(now.added / now.customers)} of the customers.`
      : "Bought for the first time ever.") },
  { key: "perCustomer", name: "Average orders per customer", show: (n) => twoDigits.format(n), better: 1,
    of: () => "Orders divided by customers." },
  { key: "lost", name: "Returned or cancelled", show: percent, better: -1, points: true,
    of: (now) => `${whole.format(now.placed - now.orders)} of ${plural(now.placed, "order")} placed.` },
  { key: "margin", name: "Gross margin", show: percent, better: 1, points: true,
    of: (now) => (now.costed ? `Revenue less the products' cost of today, of the ${percent(now.costed)} of revenue whose cost is known.`
      : "The cost of no product sold is known.") },
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
  put("tiles", ...TILES.map((shown) => {
    const value = now[shown.key];
    const change = changeOf(shown, value, before[shown.key]);
    const rounded = change && Math.round(change.by * 10) / 10;
    const text = change === null ? "no figure to compare with"
      : `${rounded > 0 ? "▲ +" : rounded < 0 ? "▼ −" : "= "}${oneDigit.format(Math.abs(rounded))} ${change.unit}`;
    const mood = !rounded ? "" : rounded * shown.better > 0 ? "good" : "bad";
    return tile(shown.name, value === null ? "–" : shown.show(value), shown.of(now),
      element("dd", { class: `change ${mood}` }, text));
  }));
  const spans = bySpan(range, view.filters, spanOf);
  drawRevenue(spans);
  drawNewCustomers(spans);
  drawCategories(range);
  drawCountries(range);
  drawSegments(range);
  drawValues(range);
  drawProducts(range);
  drawCohorts(range);
}

function drawPeriod(range, than, comparable) {
  const length = range.to - range.from + 1;
  let without = 0;
  for (let day = range.from; day <= range.to; day++) without += sales.orders[day] === 0;
  const compared = `${isoOf(than.from)} to ${isoOf(than.to)}`;
  put("period", `${isoOf(range.from)} to ${isoOf(range.to)}, ${plural(length, "day")}`,
    without ? `, ${whole.format(without)} of them without an order` : "",
    comparable ? `; compared with ${compared}.` : `; no comparison: no data for all of ${compared}.`,
    sales.limitedTo ? ` This page holds ${whole.format(sales.limitedTo)} order lines at most ` +
      `(ECOMMERCE_DASHBOARD_LINES), those since ${isoOf(0)}.` : "");
  const active = Object.entries(view.filters).filter(([, place]) => place !== null);
  byId("filtered").hidden = !active.length;
  put("filtered", "Only ", ...active.map(([name, place]) => {
    const button = element("button", { type: "button", "data-filter": name, "aria-label": `Remove the filter: ${name} ${filterName(name, place)}` },
      `${name}: ${filterName(name, place)} ✕`);
    button.addEventListener("click", () => filterBy(name, place));
    return button;
  }));
}

const revenueColumn = { name: "Revenue", show: (row) => money(row.revenue), value: (row) => decimal(row.revenue), number: true };
const count = (name, key) => ({ name, show: (row) => whole.format(row[key]), value: (row) => row[key], number: true });
const named = (name, key = "name") => ({ name, show: (row) => row[key] });

// A click on a bar shows its days.
const zoom = (row) => choose({ from: row.first, to: row.last, ranged: true, asked: null, grain: "day" });

function drawRevenue(spans) {
  const rows = spans.map((row) => ({ ...row, euros: row.revenue / 100, shown: money(row.revenue) }));
  chart("revenue", {
    mark: { type: "bar", tooltip: true },
    encoding: {
      x: { field: "start", type: "ordinal", title: null, axis: spanAxis },
      y: amount("euros"),
      tooltip: tip(["start", spanTitle()], ["shown", "Revenue"]),
    },
  }, [named(spanTitle(), "start"), revenueColumn], rows, `Revenue by ${view.grain}`, { onClick: zoom });
}

function drawNewCustomers(spans) {
  const rows = spans.map((row) => ({ ...row, returning: row.customers - row.added, again: row.revenue - row.fresh }));
  const shown = rows.flatMap((row) => [["new", row.added], ["returning", row.returning]].map(([kind, customers]) =>
    ({ ...row, kind, customers, shown: whole.format(customers) })));
  const cents = (name, key) => ({ name, show: (row) => money(row[key]), value: (row) => decimal(row[key]), number: true });
  chart("new-customers", {
    mark: { type: "bar", tooltip: true },
    encoding: {
      x: { field: "start", type: "ordinal", title: null, axis: spanAxis },
      y: amount("customers"),
      color: { field: "kind", type: "nominal", title: null },
      tooltip: tip(["start", spanTitle()], ["kind", "Customers"], ["shown", "Number of them"]),
    },
  }, [named(spanTitle(), "start"), count("New customers", "added"), count("Returning customers", "returning"),
    cents("Revenue of new customers", "fresh"), cents("Revenue of returning customers", "again")],
  rows, `New and returning customers by ${view.grain}`, { onClick: zoom, shown });
}

function drawCategories(range) {
  const filters = { ...view.filters, category: null };
  const found = new Map(); // by month, by category
  const totals = new Map();
  eachSale(range, filters, (line, order) => {
    const key = monthOf(sales.orderDay[order]);
    const place = sales.category[sales.product[line]];
    if (!found.has(key)) found.set(key, new Map());
    found.get(key).set(place, (found.get(key).get(place) ?? 0) + sales.revenue[line]);
    totals.set(place, (totals.get(place) ?? 0) + sales.revenue[line]);
  });
  const ranked = [...totals].sort((a, b) => b[1] - a[1]).map(([place]) => place);
  const own = new Set(ranked.length > COLOURS ? ranked.slice(0, COLOURS - 1) : ranked);
  const others = `${ranked.length - own.size} others`;
  const rows = [...found].flatMap(([month, amounts]) => [...amounts].map(([place, revenue]) => ({
    month, place, revenue, name: filterName("category", place),
    faint: view.filters.category !== null && view.filters.category !== place,
  }))).filter((row) => row.revenue > 0).sort((a, b) => a.month.localeCompare(b.month) || b.revenue - a.revenue);
  const summed = new Map();
  for (const row of rows) {
    const colour = own.has(row.place) ? row.name : others;
    const key = `${row.month} ${colour}`;
    const known = summed.get(key) ?? { ...row, colour, revenue: 0, place: own.has(row.place) ? row.place : null };
    known.revenue += row.revenue;
    summed.set(key, { ...known, euros: known.revenue / 100, shown: money(known.revenue) });
  }
  chart("categories", {
    mark: { type: "bar", tooltip: true },
    encoding: {
      x: { field: "month", type: "ordinal", title: null, axis: { labelAngle: 0, labelOverlap: "greedy" } },
      y: amount("euros"),
      color: { field: "colour", type: "nominal", title: null, sort: ranked.map((place) => filterName("category", place)) },
      opacity: { condition: { test: "datum.faint === true", value: 0.35 }, value: 1 },
      tooltip: tip(["colour", "Category"], ["month", "Month"], ["shown", "Revenue"]),
    },
    height: 300,
  }, [named("Month", "month"), named("Category"), revenueColumn], rows, "Revenue by category and month",
  { onClick: (row) => { if (row.place !== null) filterBy("category", row.place); }, shown: [...summed.values()] });
}

// Revenue by country or segment as bars; a click on one filters by it, and the others stay.
function drawBy(id, name, title, range, placeOf) {
  const rows = byPlace(range, { ...view.filters, [name]: null }, placeOf).map((row) => ({
    ...row, name: filterName(name, row.place), euros: row.revenue / 100, shown: money(row.revenue),
    faint: view.filters[name] !== null && view.filters[name] !== row.place,
  }));
  chart(id, bars(rows.length, "name", "euros", title, "Revenue"),
    [named(title), count("Customers", "customers"), count("Orders", "orders"), revenueColumn],
    rows, `Revenue by ${name}`, { onClick: (row) => filterBy(name, row.place) });
}

function drawCountries(range) {
  drawBy("countries", "country", "Country", range, (line, order, who) => sales.country[who]);
}

function drawSegments(range) {
  drawBy("segments", "segment", "Segment", range, (line, order, who) => sales.segment[who]);
}

function drawValues(range) {
  const counts = CLASSES.map(() => 0);
  for (const { revenue } of byPlace(range, view.filters, (line, order, who) => who)) {
    counts[CLASSES.findIndex((to) => revenue <= to * 100)] += 1;
  }
  const rows = counts.map((customers, n) => ({
    customers, shown: whole.format(customers),
    name: CLASSES[n] === Infinity ? `over ${wholeEuros.format(CLASSES[n - 1])}` : `up to ${wholeEuros.format(CLASSES[n])}`,
  }));
  while (rows.length && !rows.at(-1).customers) rows.pop();
  chart("values", bars(rows.length, "name", "customers", "Revenue of the customer", "Customers"),
    [named("Revenue of the customer"), count("Customers", "customers")], rows, "Customers by their revenue in the period");
}

let shownProducts = SHOWN_PRODUCTS;

function drawProducts(range) {
  const rows = byPlace(range, view.filters, (line) => sales.product[line]).map((row, n) => {
    const [number, name, category, cost] = sales.names.products[row.place];
    const margin = cost === null || !row.revenue ? null : 1 - (cost * row.pieces) / row.revenue;
    return { ...row, rank: n + 1, number, name, category: filterName("category", category), margin };
  });
  const columns = [
    count("Rank", "rank"), named("Product"), named("Product number", "number"), named("Category", "category"),
    count("Pieces", "pieces"), count("Orders", "orders"), revenueColumn,
    { name: "Gross margin", show: (row) => (row.margin === null ? "–" : percent(row.margin)),
      value: (row) => (row.margin === null ? null : row.margin.toFixed(4)), number: true },
  ];
  offerCsv("products", columns, rows);
  if (!rows.length) {
    put("products", note("No product was sold in this period."));
    return;
  }
  const more = element("button", { type: "button" }, `Show ${Math.min(MORE_PRODUCTS, rows.length - shownProducts)} more`);
  more.addEventListener("click", () => { shownProducts += MORE_PRODUCTS; drawProducts(range); });
  put("products", scrolled(table(columns, rows.slice(0, shownProducts), "Products"), "Products"),
    element("p", { class: "more" }, `${whole.format(Math.min(shownProducts, rows.length))} of ${plural(rows.length, "product")} sold. `,
      rows.length > shownProducts ? more : ""));
}

function drawCohorts(range) {
  const rows = cohorts(range, view.filters, monthOf);
  const shown = Math.max(0, ...rows.map((row) => row.later.length));
  const columns = [named("First sale in", "month"), count("New customers", "members"),
    ...Array.from({ length: shown }, (_, n) => ({
      name: `Month ${n + 1}`, number: true,
      value: (row) => row.later[n] ?? null,
      show: (row) => {
        if (row.later[n] === undefined) return "";
        const share = row.members ? row.later[n] / row.members : 0;
        return element("span", { class: "share", style: `--share: ${Math.round(35 * share)}%`, title: plural(row.later[n], "customer") }, percent(share));
      },
    }))];
  offerCsv("cohorts", columns, rows);
  put("cohorts", rows.length ? scrolled(table(columns, rows, "Cohorts"), "Cohorts") : note("No customer bought for the first time in this period."),
    rows.length && !shown ? note("The period ends in the month of these first sales: there is no later month to look at yet.") : "");
}
