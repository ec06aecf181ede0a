// The page of data quality.

const total = (rows, field) => rows.reduce((all, row) => all + row[field], 0);

// Rows by day and table as bars.
function byDay(id, rows, name) {
  const found = new Map();
  for (const row of rows) {
    const key = `${row.day} ${row.source}`;
    const known = found.get(key) ?? { day: row.day, source: row.source, number: 0 };
    known.number += row.number;
    found.set(key, known);
  }
  const summed = [...found.values()].sort((a, b) => a.day.localeCompare(b.day) || a.source.localeCompare(b.source));
  chart(
    id,
    {
      mark: { type: "bar", tooltip: true },
      encoding: {
        x: { field: "day", type: "ordinal", title: null, axis: spanAxis, scale: { domain: daysOf(view) } },
        y: amount("number"),
        color: { field: "source", type: "nominal", title: null },
        tooltip: tip(["day", "Ingestion date"], ["source", "Table"], ["number", "Rows"]),
      },
      height: 220,
    },
    [named("Ingestion date", "day"), named("Table", "source"), count("Rows", "number")],
    summed,
    name,
    { onClick: (row) => step({ from: dayOf(row.day), to: dayOf(row.day), ranged: true, asked: null }) },
  );
}

const daysOf = ({ from, to }) => Array.from({ length: to - from + 1 }, (_, n) => isoOf(from + n));

function drawQuality() {
  const { tables, quarantined, examples, late, waiting } = figures.quality;
  const [from, to] = [isoOf(view.from), isoOf(view.to)];
  const inRange = (row) => from <= row.day && row.day <= to;
  const [bad, behind] = [quarantined.filter((row) => inRange(row)), late.filter(inRange)];
  const rows = (layer) =>
    total(
      tables.filter((row) => row.layer === layer && !row.table.endsWith("_quarantine")),
      "rows",
    );
  const apart = figures.quality.quarantined_rows.filter(inRange);
  put(
    "period",
    `Ingestion dates ${from} to ${to}, ${plural(view.to - view.from + 1, "day")}. Tables and waiting items are as published now.`,
  );
  byId("filtered").hidden = true;
  const delivered = Object.entries(figures.delivered);
  put(
    "quality-tiles",
    tile(
      "Rows in quarantine",
      whole.format(total(apart, "number")),
      "Of these ingestion dates; a row counts once, whatever its reasons.",
    ),
    tile(
      "Late rows",
      whole.format(total(behind, "number")),
      "Of these ingestion dates; delivered later than the day they changed.",
    ),
    tile(
      "Items waiting",
      whole.format(waiting.items),
      `Now, in no KPI: the order of ${whole.format(waiting.quarantined)} is in quarantine, that of the others has not come.`,
    ),
    tile(
      "Delivered up to",
      delivered
        .map(([, day]) => day)
        .filter(Boolean)
        .sort()
        .at(-1) ?? "–",
      delivered.map(([source, day]) => `${spaced(source)} ${day ?? "none"}`).join(", "),
    ),
    ...["bronze", "silver", "gold"].map((layer) =>
      tile(
        `Rows in ${layer}`,
        whole.format(rows(layer)),
        `Now: of all ${layer} tables${layer === "silver" ? " but quarantine" : ""}.`,
      ),
    ),
  );
  byDay("quarantined", bad, "Quarantined rows by ingestion date and table; a row with several reasons counts for each");
  byDay("late", behind, "Late rows by ingestion date and table");

  const reasons = new Map();
  for (const row of bad) {
    const key = JSON.stringify([row.source, row.reason]);
    const known = reasons.get(key) ?? { source: row.source, reason: row.reason, number: 0, last: "" };
    known.number += row.number;
    if (row.day > known.last) known.last = row.day; // ISO dates, which are texts
    reasons.set(key, known);
  }
  const example = (row) =>
    element(
      "div",
      {},
      ...Object.entries(row.values).flatMap(([name, value]) => [
        element("code", {}, `${name} = ${value === null ? "(empty)" : JSON.stringify(value)}`),
        " ",
      ]),
      element("small", {}, `${row.file}, row ${row.row}`),
    );
  const columns = [
    named("Table", "source"),
    named("Reason", "reason"),
    count("Rows", "number"),
    named("Last on", "last"),
    {
      name: "Latest examples",
      value: () => "",
      show: (row) =>
        element(
          "details",
          {},
          element("summary", {}, "Show"),
          ...examples.filter((one) => one.source === row.source && one.reason === row.reason).map(example),
        ),
    },
  ];
  const sorted = [...reasons.values()].sort((a, b) => b.number - a.number);
  offerCsv("reasons", columns.slice(0, -1), sorted);
  put(
    "reasons",
    sorted.length
      ? scrolled(table(columns, sorted, "Reasons for quarantine"), "Reasons for quarantine")
      : note("No row of these ingestion dates is in quarantine."),
  );

  const waitingColumns = [
    named("Item", "order_item_id"),
    named("Order", "order_id"),
    named("Why", "why"),
    named("File", "_source_file"),
    count("Row", "_row_number"),
  ];
  offerCsv("waiting", waitingColumns, waiting.examples);
  put(
    "waiting",
    waiting.items
      ? scrolled(
          table(waitingColumns, waiting.examples, "Items waiting for their order"),
          "Items waiting for their order",
        )
      : note("Every item's order is known."),
  );

  const snapshotColumns = [
    named("Table", "table"),
    count("Rows", "rows"),
    { name: "Last published", show: (row) => time(row.published) },
    { name: "Run", show: (row) => row.run ?? "–" },
  ];
  offerCsv("snapshots", snapshotColumns, tables);
  put("snapshots", scrolled(table(snapshotColumns, tables, "Published snapshots"), "Published snapshots"));
}
