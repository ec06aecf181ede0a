// Sales by category, country, segment, value of an order, product and cohort of customers.

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
  const rows = [...found]
    .flatMap(([month, amounts]) =>
      [...amounts].map(([place, revenue]) => ({
        month,
        place,
        revenue,
        name: filterName("category", place),
        faint: view.filters.category !== null && view.filters.category !== place,
      })),
    )
    .filter((row) => row.revenue > 0)
    .sort((a, b) => a.month.localeCompare(b.month) || b.revenue - a.revenue);
  const summed = new Map();
  for (const row of rows) {
    const colour = own.has(row.place) ? row.name : others;
    const key = `${row.month} ${colour}`;
    const known = summed.get(key) ?? { ...row, colour, revenue: 0, place: own.has(row.place) ? row.place : null };
    known.revenue += row.revenue;
    summed.set(key, { ...known, amount: known.revenue / UNITS, shown: money(known.revenue) });
  }
  chart(
    "categories",
    {
      mark: { type: "bar", tooltip: true },
      encoding: {
        x: { field: "month", type: "ordinal", title: null, axis: { labelAngle: 0, labelOverlap: "greedy" } },
        y: amount("amount"),
        color: {
          field: "colour",
          type: "nominal",
          title: null,
          sort: ranked.map((place) => filterName("category", place)),
        },
        opacity: { condition: { test: "datum.faint === true", value: 0.35 }, value: 1 },
        tooltip: tip(["colour", "Category"], ["month", "Month"], ["shown", "Revenue"]),
      },
      height: 300,
    },
    [named("Month", "month"), named("Category"), revenueColumn],
    rows,
    "Revenue by category and month",
    {
      onClick: (row) => {
        if (row.place !== null) filterBy("category", row.place);
      },
      shown: [...summed.values()],
    },
  );
}

// Revenue by country or segment as bars; a click on one filters by it, and the others stay.
function drawBy(id, name, title, range, placeOf) {
  const rows = byPlace(range, { ...view.filters, [name]: null }, placeOf).map((row) => ({
    ...row,
    name: filterName(name, row.place),
    amount: row.revenue / UNITS,
    shown: money(row.revenue),
    faint: view.filters[name] !== null && view.filters[name] !== row.place,
  }));
  chart(
    id,
    bars(rows.length, "name", "amount", title, "Revenue"),
    [named(title), count("Customers", "customers"), count("Orders", "orders"), revenueColumn],
    rows,
    `Revenue by ${name}`,
    { onClick: (row) => filterBy(name, row.place) },
  );
}

function drawCountries(range) {
  drawBy("countries", "country", "Country", range, (line, order) => sales.country[order]);
}

function drawSegments(range) {
  drawBy("segments", "segment", "Segment", range, (line, order, who) => sales.segment[who]);
}

// Of a shop whose orders have one currency, there is nothing to compare.
function drawCurrencies(range) {
  byId("card-currencies").hidden = sales.names.currencies.length < 2;
  drawBy("currencies", "currency", "Currency", range, (line, order) => sales.currency[order]);
}

function drawValues(range) {
  const counts = CLASSES.map(() => 0);
  for (const { place, revenue } of byPlace(range, view.filters, (line, order, who) => who)) {
    if (place === sales.guest) continue;
    counts[CLASSES.findIndex((to) => revenue <= to * UNITS)] += 1;
  }
  const rows = counts.map((customers, n) => ({
    customers,
    shown: whole.format(customers),
    name:
      CLASSES[n] === Infinity
        ? `over ${wholeAmounts.format(CLASSES[n - 1])}`
        : `up to ${wholeAmounts.format(CLASSES[n])}`,
  }));
  while (rows.length && !rows.at(-1).customers) rows.pop();
  chart(
    "values",
    bars(rows.length, "name", "customers", "Revenue of the customer", "Customers"),
    [named("Revenue of the customer"), count("Customers", "customers")],
    rows,
    "Customers by their revenue in the period",
  );
}

// What came back by reason.
function drawReasons(range) {
  const rows = returnsBy(range, view.filters, (n) => sales.return_reason[n]).map((row) => ({
    ...row,
    name: sales.names.reasons[row.place],
    amount: row.returned / UNITS,
    shown: money(row.returned),
  }));
  chart(
    "return-reasons",
    bars(rows.length, "name", "amount", "Reason", "Returned"),
    [named("Reason"), count("Returns", "returns"), count("Pieces", "pieces"), units("Returned", "returned")],
    rows,
    "Returned by reason",
  );
}

let shownProducts = SHOWN_PRODUCTS;

function drawProducts(range) {
  const back = new Map(returnsBy(range, view.filters, (n) => sales.return_product[n]).map((row) => [row.place, row]));
  const sold = byPlace(range, view.filters, (line) => sales.product[line]);
  const known = new Set(sold.map((row) => row.place));
  const only = [...back.keys()].filter((place) => !known.has(place));
  const rows = [...sold, ...only.map((place) => ({ place, revenue: 0, pieces: 0, orders: 0 }))]
    // Postage, fees and vouchers are no products.
    .filter((row) => sales.names.products[row.place][4])
    .map((row, n) => {
      const [number, name, category, cost] = sales.names.products[row.place];
      const margin = cost === null || !row.revenue ? null : 1 - (cost * row.pieces) / row.revenue;
      const returned = back.get(row.place)?.returned ?? 0;
      const rate = row.revenue ? returned / row.revenue : null;
      return { ...row, rank: n + 1, number, name, category: filterName("category", category), margin, returned, rate };
    });
  const share = (name, key) => ({
    name,
    show: (row) => (row[key] === null ? "–" : percent(row[key])),
    value: (row) => (row[key] === null ? null : row[key].toFixed(4)),
    number: true,
  });
  const columns = [
    count("Rank", "rank"),
    named("Product"),
    named("Product number", "number"),
    named("Category", "category"),
    count("Pieces", "pieces"),
    count("Orders", "orders"),
    revenueColumn,
    units("Returned", "returned"),
    share("Rate of return", "rate"),
    share("Gross margin", "margin"),
  ];
  offerCsv("products", columns, rows);
  if (!rows.length) {
    put("products", note("No product was sold or came back in this period."));
    return;
  }
  const more = element(
    "button",
    { type: "button" },
    `Show ${Math.min(MORE_PRODUCTS, rows.length - shownProducts)} more`,
  );
  more.addEventListener("click", () => {
    shownProducts += MORE_PRODUCTS;
    drawProducts(range);
  });
  put(
    "products",
    scrolled(table(columns, rows.slice(0, shownProducts), "Products"), "Products"),
    element(
      "p",
      { class: "more" },
      `${whole.format(Math.min(shownProducts, rows.length))} of ${plural(rows.length, "product")}. `,
      rows.length > shownProducts ? more : "",
    ),
  );
}

function drawCohorts(range) {
  const rows = cohorts(range, view.filters, monthOf);
  const shown = Math.max(0, ...rows.map((row) => row.later.length));
  const columns = [
    named("First sale in", "month"),
    count("New customers", "members"),
    ...Array.from({ length: shown }, (_, n) => ({
      name: `Month ${n + 1}`,
      number: true,
      value: (row) => row.later[n] ?? null,
      show: (row) => {
        if (row.later[n] === undefined) return "";
        const share = row.members ? row.later[n] / row.members : 0;
        return element(
          "span",
          { class: "share", style: `--share: ${Math.round(35 * share)}%`, title: plural(row.later[n], "customer") },
          percent(share),
        );
      },
    })),
  ];
  offerCsv("cohorts", columns, rows);
  put(
    "cohorts",
    rows.length
      ? scrolled(table(columns, rows, "Cohorts"), "Cohorts")
      : note("No customer bought for the first time in this period."),
    rows.length && !shown
      ? note("The period ends in the month of these first sales: there is no later month to look at yet.")
      : "",
  );
}
