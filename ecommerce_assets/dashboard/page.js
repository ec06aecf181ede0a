"use strict";
// Reads the figures once, draws the page, and draws anew what a choice of period or grain changes.

const figures = JSON.parse(document.getElementById("figures").textContent);
const sales = figures.sales;
const DAY = 86_400_000;

// ---- days, as numbers from the first day of the figures

const firstDay = sales ? Date.parse(sales.first) : 0;
const days = sales ? sales.revenue.length : 0;
const dateOf = (day) => new Date(firstDay + day * DAY);
const isoOf = (day) => dateOf(day).toISOString().slice(0, 10);
const dayOf = (iso) => Math.round((Date.parse(iso) - firstDay) / DAY);

// ---- figures for people

const euros = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });
const wholeEuros = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR", maximumFractionDigits: 0 });
const whole = new Intl.NumberFormat();
const oneDigit = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const timeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" });
const countryNames = new Intl.DisplayNames(undefined, { type: "region", fallback: "code" });
const money = (cents) => euros.format(cents / 100);
const countryName = (code) => (/^[A-Z]{2}$/.test(code) ? countryNames.of(code) : code);
const dayName = (day) => dateFormat.format(dateOf(day));
const time = (iso) => (iso ? `${timeFormat.format(new Date(iso))} UTC` : "never");

// ---- sums over a range of days, both ends included

const sum = (values, from, to) => {
  let total = 0;
  for (let day = from; day <= to; day++) total += values[day];
  return total;
};

// Customers of several days: see customer_days in figures.py.
const customersOf = (from, to) => {
  let total = 0;
  for (let day = from; day <= to; day++) total += sum(sales.customer_days[day], 0, from);
  return total;
};

function measures(from, to) {
  const revenue = sum(sales.revenue, from, to);
  const orders = sum(sales.orders, from, to);
  const placed = sum(sales.placed, from, to);
  const customers = customersOf(from, to);
  return {
    revenue, orders, customers,
    average: orders ? Math.round(revenue / orders) : null,
    perCustomer: customers ? orders / customers : null,
    lost: placed ? (placed - orders) / placed : null,
  };
}

// `better` says which way is good: 1 up, -1 down.
const TILES = [
  { key: "revenue", name: "Revenue", show: money, better: 1 },
  { key: "orders", name: "Orders", show: (n) => whole.format(n), better: 1 },
  { key: "average", name: "Average order value", show: money, better: 1 },
  { key: "customers", name: "Customers", show: (n) => whole.format(n), better: 1 },
  { key: "perCustomer", name: "Average orders per customer", show: (n) => twoDigits.format(n), better: 1 },
  { key: "lost", name: "Returned or cancelled", show: (n) => `${oneDigit.format(n * 100)} %`, better: -1, points: true },
];

function changeOf(tile, now, before) {
  if (now === null || before === null || before === undefined) return null;
  if (tile.points) return { by: (now - before) * 100, unit: "points" };
  return before === 0 ? null : { by: (now / before - 1) * 100, unit: "%" };
}

// ---- elements; what is shown is always text

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

const byId = (id) => document.getElementById(id);

// `columns`: name, what to show of a row, and whether it is a number.
function table(columns, rows, caption) {
  const kind = (column) => ({ class: column.number ? "number" : "text" });
  const head = columns.map((column) => element("th", { scope: "col", ...kind(column) }, column.name));
  const lines = rows.map((row) =>
    element("tr", {}, ...columns.map((column) => element("td", kind(column), column.show(row)))));
  return element("table", { "aria-label": caption },
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines));
}

function put(id, ...children) {
  byId(id).replaceChildren(...children);
}

function tile(name, figure, change) {
  return element("div", { class: "card" }, element("dt", {}, name),
    element("dd", { class: "figure" }, figure), change);
}

// ---- charts

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const [text, faint, line] = ["--text", "--faint", "--line"].map(style);
  const axis = { labelColor: faint, titleColor: faint, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { ...axis, titleFontWeight: "normal" },
    legend: { labelColor: text, titleColor: faint, orient: "bottom", columns: 4, title: null },
    mark: { color: style("--accent") },
    range: {
      category: dark.matches
        ? ["#8ab0ff", "#f6b26b", "#7fd8be", "#f28da6", "#c3a6ff", "#e6d66f", "#9fc5a8", "#d0a58a", "#aab4c4"]
        : ["#2457c5", "#c2570c", "#0f7b6c", "#b0285a", "#6b3fc0", "#8a6d00", "#3f7d4e", "#85512f", "#5b6678"],
    },
  };
}

const drawn = new Map();
const views = new Map();

// A chart, and the same figures as a table for who can't see or read it.
async function chart(id, spec, columns, rows, name, open = false) {
  drawn.set(id, () => chart(id, spec, columns, rows, name, open));
  const place = byId(id);
  if (!rows.length) {
    place.replaceChildren(element("p", { class: "note" }, "None."));
    return;
  }
  const canvas = element("div", { style: "width:100%" });
  const details = element("details", {}, element("summary", {}, "As a table"),
    element("div", { class: "scroll" }, table(columns, rows, name)));
  details.open = place.querySelector("details")?.open ?? open;
  place.replaceChildren(canvas, details);
  const complete = {
    width: "container", height: 260, autosize: { type: "fit", contains: "padding" },
    description: name, data: { values: rows }, config: theme(), ...spec,
  };
  views.get(id)?.finalize();
  views.set(id, await vegaEmbed(canvas, complete, { actions: false, renderer: "svg" }));
}

const number = (field, format) => ({ field, type: "quantitative", title: null, axis: { format, tickCount: 5 } });
const tip = (...fields) => fields.map(([field, title]) => ({ field, title, type: "nominal" }));

// ---- the period that is chosen

const chosen = { from: 0, to: days - 1, grain: "day" };
const PRESETS = [["7 days", 7], ["14 days", 14], ["28 days", 28], ["90 days", 90], ["365 days", 365], ["All", Infinity]];
const GRAINS = { day: "Day", week: "Week", month: "Month" };

// The first day, as a date, of the week (from Monday) or month that a day is in.
function startOf(day, grain) {
  const date = dateOf(day);
  if (grain === "week") date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (grain === "month") date.setUTCDate(1);
  return date.toISOString().slice(0, 10);
}

// Sums of the chosen days by span of days, in order: [start, cents].
function spans(values, grain) {
  const found = new Map();
  for (let day = chosen.from; day <= chosen.to; day++) {
    const start = startOf(day, grain);
    found.set(start, (found.get(start) ?? 0) + values[day]);
  }
  return [...found];
}

function choose(from, to) {
  const inside = (day) => Math.min(days - 1, Math.max(0, day));
  if (!(inside(from) <= inside(to))) return;
  chosen.from = inside(from);
  chosen.to = inside(to);
  drawSales();
}

function drawControls() {
  for (const [name, length] of PRESETS) {
    const button = element("button", { type: "button", "data-days": length }, name);
    button.addEventListener("click", () => choose(days - Math.min(length, days), days - 1));
    byId("presets").append(button);
  }
  for (const [grain, name] of Object.entries(GRAINS)) {
    const radio = element("input", { type: "radio", name: "grain", value: grain });
    radio.checked = grain === chosen.grain;
    radio.addEventListener("change", () => { chosen.grain = grain; drawRevenue(); });
    byId("grains").append(element("label", { class: "switch" }, radio, element("span", {}, name)));
  }
  for (const id of ["from", "to"]) {
    byId(id).min = isoOf(0);
    byId(id).max = isoOf(days - 1);
    byId(id).addEventListener("change", () => {
      const [from, to] = [byId("from").value, byId("to").value];
      // A year that is still being typed is a day far away.
      if (!from || !to || !byId(id).validity.valid) return;
      // A day beyond the other one takes that with it.
      if (from > to) byId(id === "from" ? "to" : "from").value = byId(id).value;
      choose(dayOf(byId("from").value), dayOf(byId("to").value));
    });
  }
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
}

function drawSales() {
  const { from, to } = chosen;
  const length = to - from + 1;
  for (const [id, day] of [["from", from], ["to", to]]) {
    if (document.activeElement !== byId(id)) byId(id).value = isoOf(day);
  }
  for (const button of byId("presets").querySelectorAll("button")) {
    const wanted = Math.min(Number(button.dataset.days), days);
    button.setAttribute("aria-pressed", String(to === days - 1 && length === wanted &&
      (wanted === Number(button.dataset.days) || button.dataset.days === "Infinity")));
  }
  const comparable = from - length >= 0;
  byId("period").textContent = comparable
    ? `${dayName(from)} to ${dayName(to)}, compared with ${dayName(from - length)} to ${dayName(from - 1)}`
    : `${dayName(from)} to ${dayName(to)}; there are no figures for all of the ${whole.format(length)} days before`;
  const now = measures(from, to);
  const before = comparable ? measures(from - length, from - 1) : {};
  put("tiles", ...TILES.map((shown) => {
    const value = now[shown.key];
    const change = changeOf(shown, value, before[shown.key]);
    const rounded = change && Math.round(change.by * 10) / 10;
    const text = change === null ? "no figure before"
      : `${rounded > 0 ? "▲ +" : rounded < 0 ? "▼ −" : "= "}${oneDigit.format(Math.abs(rounded))} ${change.unit}`;
    const mood = !rounded ? "" : rounded * shown.better > 0 ? "good" : "bad";
    return tile(shown.name, value === null ? "–" : shown.show(value),
      element("dd", { class: `change ${mood}` }, text));
  }));
  drawRevenue();
  drawCategories();
  drawCountries();
}

function drawRevenue() {
  const rows = spans(sales.revenue, chosen.grain).map(([start, cents]) =>
    ({ start, revenue: cents / 100, shown: money(cents), day: dateFormat.format(new Date(start)) }));
  const title = chosen.grain === "day" ? "Day" : `${GRAINS[chosen.grain]} from`;
  chart("revenue", {
    mark: { type: "bar", tooltip: true },
    encoding: {
      // A bar a span, as wide as the axis allows; the axis names some of them.
      x: { field: "start", type: "ordinal", title: null,
        axis: { labelAngle: 0, labelOverlap: "greedy", ticks: false, labelSeparation: 12 } },
      y: number("revenue", "~s"),
      tooltip: tip(["day", title], ["shown", "Revenue"]),
    },
  }, [{ name: title, show: (row) => row.day }, { name: "Revenue", show: (row) => row.shown, number: true }],
  rows, `Revenue by ${chosen.grain}`);
}

function drawCategories() {
  const rows = Object.entries(sales.categories).flatMap(([name, values]) =>
    spans(values, "month").map(([start, cents]) =>
      ({ name: name.replaceAll("_", " "), month: start.slice(0, 7), revenue: cents / 100, shown: money(cents) })))
    .filter((row) => row.revenue > 0)
    .sort((a, b) => a.month.localeCompare(b.month) || b.revenue - a.revenue);
  chart("categories", {
    mark: { type: "bar", tooltip: true },
    encoding: {
      x: { field: "month", type: "ordinal", title: null, axis: { labelAngle: 0, labelOverlap: "greedy" } },
      y: number("revenue", "~s"),
      color: { field: "name", type: "nominal", title: null },
      tooltip: tip(["name", "Category"], ["month", "Month"], ["shown", "Revenue"]),
    },
    height: 300,
  }, [{ name: "Month", show: (row) => row.month }, { name: "Category", show: (row) => row.name },
    { name: "Revenue", show: (row) => row.shown, number: true }], rows, "Revenue by category and month");
}

function drawCountries() {
  const rows = Object.entries(sales.countries)
    .map(([code, values]) => [code, sum(values, chosen.from, chosen.to)])
    .filter(([, cents]) => cents > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([code, cents]) => ({ name: countryName(code), revenue: cents / 100, shown: money(cents) }));
  chart("countries", bars("name", "revenue", "Country"),
    [{ name: "Country", show: (row) => row.name }, { name: "Revenue", show: (row) => row.shown, number: true }],
    rows, "Revenue by country");
}

// Bars from the left, in the order of the rows.
function bars(field, value, title) {
  return {
    mark: { type: "bar", tooltip: true },
    encoding: {
      y: { field, type: "ordinal", sort: null, title: null, axis: { labelLimit: 140 } },
      x: number(value, "~s"),
      tooltip: tip([field, title], ["shown", value[0].toUpperCase() + value.slice(1)]),
    },
    height: 300,
  };
}

function drawCustomers() {
  const products = figures.products.map((row, place) => ({ ...row, place: place + 1 }));
  put("products", table([
    { name: "#", show: (row) => String(row.place), number: true },
    { name: "Product", show: (row) => row.name },
    { name: "Number", show: (row) => row.product_id },
    { name: "Category", show: (row) => row.category.replaceAll("_", " ") },
    { name: "Units", show: (row) => whole.format(row.units), number: true },
    { name: "Orders", show: (row) => whole.format(row.orders), number: true },
    { name: "Revenue", show: (row) => money(row.revenue), number: true },
  ], products, "Top products"));

  const classes = figures.values.map((row, n) => {
    const least = n ? figures.values[n - 1].to : null;
    const name = n === 0 ? "nothing" : row.to === null ? `over ${wholeEuros.format(least)}`
      : `up to ${wholeEuros.format(row.to)}`;
    return { name, customers: row.customers, shown: whole.format(row.customers) };
  });
  while (classes.length && !classes.at(-1).customers) classes.pop();
  chart("values", bars("name", "customers", "Lifetime value"), [
    { name: "Lifetime value", show: (row) => row.name },
    { name: "Customers", show: (row) => row.shown, number: true },
  ], classes, "Customers by lifetime value");

  const segments = figures.segments.map((row) => ({ ...row, revenue: row.value / 100, shown: money(row.value) }));
  chart("segments", { ...bars("segment", "revenue", "Segment"), height: 130 }, [
    { name: "Segment", show: (row) => row.segment },
    { name: "Customers", show: (row) => whole.format(row.customers), number: true },
    { name: "Orders", show: (row) => whole.format(row.orders), number: true },
    { name: "Lifetime value", show: (row) => row.shown, number: true },
  ], segments, "Lifetime value by segment", true);
}

// ---- data quality

const total = (rows, field) => rows.reduce((all, row) => all + row[field], 0);

// Rows by day and table as bars.
function byDay(id, rows, name) {
  const found = new Map();
  for (const row of rows) {
    const key = `${row.day} ${row.source}`;
    const known = found.get(key) ?? { day: row.day, shown: row.day, source: row.source, number: 0 };
    known.number += row.number;
    found.set(key, known);
  }
  const summed = [...found.values()].sort((a, b) => a.day.localeCompare(b.day) || a.source.localeCompare(b.source));
  chart(id, {
    mark: { type: "bar", tooltip: true },
    encoding: {
      x: { field: "day", type: "temporal", timeUnit: "utcyearmonthdate", scale: { type: "utc" }, title: null },
      y: number("number", "~s"),
      color: { field: "source", type: "nominal", title: null },
      tooltip: tip(["shown", "Ingestion date"], ["source", "Table"], ["number", "Rows"]),
    },
    height: 220,
  }, [
    { name: "Ingestion date", show: (row) => row.day },
    { name: "Table", show: (row) => row.source },
    { name: "Rows", show: (row) => whole.format(row.number), number: true },
  ], summed, name);
}

function drawQuality() {
  const { tables, quarantined, examples, late, waiting } = figures.quality;
  const rows = (layer) => total(tables.filter((row) => row.layer === layer && !row.table.endsWith("_quarantine")), "rows");
  const kept = tables.filter((row) => row.table.endsWith("_quarantine"));
  put("quality-tiles",
    ...["bronze", "silver", "gold"].map((layer) => tile(`Rows in ${layer}`, whole.format(rows(layer)), null)),
    tile("Rows in quarantine", whole.format(total(kept, "rows")), null),
    tile("Late rows", whole.format(total(late, "number")), null),
    tile("Items waiting", whole.format(waiting.items), null));
  byDay("quarantined", quarantined, "Quarantined rows by ingestion date and table; a row with several reasons counts for each");
  byDay("late", late, "Late rows by ingestion date and table");

  const reasons = new Map();
  for (const row of quarantined) {
    const key = JSON.stringify([row.source, row.reason]);
    const known = reasons.get(key) ?? { source: row.source, reason: row.reason, number: 0, last: "" };
    known.number += row.number;
    known.last = row.day > known.last ? row.day : known.last;
    reasons.set(key, known);
  }
  const example = (row) => element("div", {},
    ...Object.entries(row.values).flatMap(([name, value]) =>
      [element("code", {}, `${name} = ${value === null ? "nothing" : JSON.stringify(value)}`), " "]),
    element("small", {}, `${row.file}, row ${row.row}`));
  put("reasons", reasons.size ? table([
    { name: "Table", show: (row) => row.source },
    { name: "Reason", show: (row) => row.reason },
    { name: "Rows", show: (row) => whole.format(row.number), number: true },
    { name: "Last on", show: (row) => row.last },
    { name: "Examples", show: (row) => element("details", {}, element("summary", {}, "Show"),
      ...examples.filter((one) => one.source === row.source && one.reason === row.reason).map(example)) },
  ], [...reasons.values()].sort((a, b) => b.number - a.number), "Reasons for quarantine")
    : element("p", { class: "note" }, "No row is in quarantine."));

  put("waiting", waiting.items ? table([
    { name: "Item", show: (row) => row.order_item_id },
    { name: "Order that has not come", show: (row) => row.order_id },
    { name: "File", show: (row) => row._source_file },
    { name: "Row", show: (row) => whole.format(row._row_number), number: true },
  ], waiting.examples, "Examples of items waiting for their order")
    : element("p", { class: "note" }, "Every item's order is known."));

  put("states", table([
    { name: "Table", show: (row) => row.table },
    { name: "Rows", show: (row) => whole.format(row.rows), number: true },
    { name: "Last published", show: (row) => time(row.published) },
    { name: "Run", show: (row) => row.run ?? "–" },
  ], tables, "Published states"));
}

// ---- the two pages

function showPage() {
  const quality = location.hash === "#quality";
  byId("page-sales").hidden = quality;
  byId("page-quality").hidden = !quality;
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.getAttribute("href") === (quality ? "#quality" : "#sales");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // A chart that was drawn while hidden had no width.
  dispatchEvent(new Event("resize"));
}

byId("made").textContent = `Made ${time(figures.made)} from the published tables. Amounts in euros; ` +
  "sales are orders neither cancelled nor returned, by day of the order, UTC.";
byId("no-sales").hidden = days > 0;
byId("some-sales").hidden = days === 0;
addEventListener("hashchange", showPage);
showPage();
if (days) {
  drawControls();
  // The longest of the usual periods that has one before it to be compared with.
  const compared = PRESETS.map(([, length]) => length).filter((length) => length <= 90 && 2 * length <= days);
  choose(days - (compared.length ? Math.max(...compared) : days), days - 1);
  drawCustomers();
}
drawQuality();
dark.addEventListener("change", () => { for (const draw of drawn.values()) draw(); });
