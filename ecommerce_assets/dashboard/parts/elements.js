// How figures, tables and charts are shown. What is shown is always text, never markup.

const inCurrency = { style: "currency", currency: figures.currency };
const UNITS = 10 ** figures.digits; // the smallest ones of the currency, in which amounts are counted
const amounts = new Intl.NumberFormat(undefined, {
  ...inCurrency,
  minimumFractionDigits: figures.digits,
  maximumFractionDigits: figures.digits,
});
const wholeAmounts = new Intl.NumberFormat(undefined, { ...inCurrency, maximumFractionDigits: 0 });
const whole = new Intl.NumberFormat();
const oneDigit = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const twoDigits = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const countryNames = new Intl.DisplayNames(undefined, { type: "region", fallback: "code" });
const money = (units) => amounts.format(units / UNITS);
const percent = (share) => `${oneDigit.format(share * 100)} %`;
const decimal = (units) => (units / UNITS).toFixed(figures.digits);
const countryName = (code) => (/^[A-Z]{2}$/.test(code) ? countryNames.of(code) : code);
const spaced = (name) => name.replaceAll("_", " ");
const plural = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;
// Dates are shown as in the file names, everywhere: 2024-02-11.
const time = (iso) => (iso ? `${new Date(iso).toISOString().slice(0, 16).replace("T", " ")} UTC` : "never");

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function put(id, ...children) {
  byId(id).replaceChildren(...children);
}

const note = (text) => element("p", { class: "note" }, text);

// `columns`: name, what to show of a row, and whether it is a number. On a phone a row is a block
// whose cells have their names beside them, so the roles are said again.
function table(columns, rows, caption) {
  const kind = (column) => (column.number ? "number" : "text");
  const head = columns.map((column) =>
    element("th", { scope: "col", role: "columnheader", class: kind(column) }, column.name),
  );
  const lines = rows.map((row) =>
    element(
      "tr",
      { role: "row" },
      ...columns.map((column) =>
        element("td", { role: "cell", class: kind(column), "data-name": column.name }, column.show(row)),
      ),
    ),
  );
  return element(
    "table",
    { role: "table", "aria-label": caption },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...lines),
  );
}

// A wide table is scrolled, by keyboard as well.
const scrolled = (shown, name) =>
  element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name }, shown);

function tile(name, figure, sentence, change = null) {
  return element(
    "div",
    { class: "card" },
    element("dt", {}, name),
    element("dd", { class: "figure" }, figure),
    change,
    element("dd", { class: "of" }, sentence),
  );
}

// ---- CSV: of a column its `value`, or what is shown

function csvOf(columns, rows) {
  const cell = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    // A spreadsheet takes a text that begins so for a formula, and names come from deliveries.
    if (/^[=+\-@\t\r]/.test(text) && !/^-?\d+(\.\d+)?$/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [
    columns.map((column) => column.name),
    ...rows.map((row) => columns.map((column) => (column.value ?? column.show)(row))),
  ];
  return `${lines.map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

const files = new Map(); // by chart: the columns and rows that its CSV has

function offerCsv(id, columns, rows) {
  files.set(id, { columns, rows });
}

function drawCsvButtons() {
  for (const place of document.querySelectorAll("[data-csv]")) {
    const id = place.dataset.csv;
    const name = place.querySelector("h2").firstChild.textContent.trim();
    const button = element("button", { type: "button", class: "csv", "aria-label": `${name} as CSV` }, "CSV");
    button.addEventListener("click", () => {
      const { columns, rows } = files.get(id);
      // The mark at the beginning tells spreadsheets that it is UTF-8.
      const address = URL.createObjectURL(new Blob(["\ufeff", csvOf(columns, rows)], { type: "text/csv" }));
      element("a", { href: address, download: `${id}_${isoOf(view.from)}_${isoOf(view.to)}.csv` }).click();
      URL.revokeObjectURL(address);
    });
    place.append(button);
  }
}

// ---- charts, in the page's own colours, so that dark, light and paper need no drawing anew

const COLOURS = 9; // as many as the style has

function theme() {
  const axis = {
    labelColor: "var(--faint)",
    titleColor: "var(--faint)",
    gridColor: "var(--line)",
    domainColor: "var(--line)",
    tickColor: "var(--line)",
  };
  return {
    background: null,
    font: "system-ui, sans-serif",
    customFormatTypes: true,
    view: { stroke: null },
    axis: { ...axis, titleFontWeight: "normal" },
    legend: { labelColor: "var(--text)", orient: "bottom", columns: 4, title: null },
    mark: { color: "var(--accent)" },
    range: { category: Array.from({ length: COLOURS }, (_, n) => `var(--colour-${n})`) },
  };
}

const views = new Map();

// A chart, and the same figures as a table for who can't see or read it, and as CSV.
// `onClick` gets the row of a bar.
async function chart(id, spec, columns, rows, name, { open = false, onClick = null, shown = rows } = {}) {
  offerCsv(id, columns, rows);
  const place = byId(id);
  views.get(id)?.finalize();
  views.delete(id);
  if (!rows.length) {
    place.replaceChildren(note("No rows in this period."));
    return;
  }
  const canvas = element("div", { class: "canvas" });
  const details = element(
    "details",
    {},
    element("summary", {}, "As a table"),
    scrolled(table(columns, rows, name), name),
  );
  details.open = place.querySelector("details")?.open ?? open;
  place.replaceChildren(canvas, details);
  const complete = {
    width: "container",
    height: 260,
    autosize: { type: "fit", contains: "padding" },
    description: name,
    data: { values: shown },
    config: theme(),
    ...spec,
  };
  complete.mark = { ...complete.mark, cursor: onClick ? "pointer" : "default" };
  const options = { actions: false, renderer: "svg", expressionFunctions: { short: (value) => short.format(value) } };
  const { view: drawn } = await vegaEmbed(canvas, complete, options);
  if (!canvas.isConnected) {
    drawn.finalize(); // It has been drawn anew meanwhile.
    return;
  }
  if (onClick)
    drawn.addEventListener("click", (event, item) => {
      if (item?.mark?.marktype === "rect" && item.datum) onClick(item.datum);
    });
  views.set(id, drawn);
}

const amount = (field) => ({
  field,
  type: "quantitative",
  title: null,
  axis: { formatType: "short", tickCount: 5, tickMinStep: 1 },
});
const tip = (...fields) => fields.map(([field, title]) => ({ field, title, type: "nominal" }));
const spanAxis = { labelAngle: 0, labelOverlap: "greedy", ticks: false, labelSeparation: 12 };

// Bars from the left, in the order of so many rows; those that a filter leaves out are faint.
function bars(rows, field, value, title, valueTitle) {
  return {
    mark: { type: "bar", tooltip: true },
    encoding: {
      y: { field, type: "ordinal", sort: null, title: null, axis: { labelLimit: 140 } },
      x: amount(value),
      opacity: { condition: { test: "datum.faint === true", value: 0.35 }, value: 1 },
      tooltip: tip([field, title], ["shown", valueTitle]),
    },
    height: 30 + 26 * rows,
  };
}
