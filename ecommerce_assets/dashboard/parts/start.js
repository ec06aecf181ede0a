// Unpacks, draws, and draws anew whatever a choice changes.

function drawFreshness() {
  const published = figures.quality.tables.find((row) => row.table === "gold.fact_sales")?.published;
  const age = Math.floor((Date.now() - Date.parse(figures.built_at)) / DAY);
  const old = age > 0 ? `, ${plural(age, "day")} ago` : "";
  put(
    "freshness",
    sales ? `Orders up to ${isoOf(sales.days - 1)}` : "No orders yet",
    ` · deliveries up to ${Object.values(figures.delivered).filter(Boolean).sort().at(-1) ?? "–"}`,
    ` · sales published ${time(published)} · page built ${time(figures.built_at)}${old}`,
  );
  byId("freshness").classList.toggle("bad", age > 1);
}

function draw(problem = "") {
  for (const page of PAGES) {
    byId(`page-${page}`).hidden = page !== view.page;
    const link = byId(`link-${page}`);
    link.setAttribute("href", page === view.page ? address() : address().replace(`#${view.page}`, `#${page}`));
    if (page === view.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("no-sales").hidden = Boolean(sales);
  byId("some-sales").hidden = !sales;
  drawChoice(problem);
  if (view.page === "quality") drawQuality();
  else if (sales) drawSales();
}

async function start() {
  if (figures.sales) await unpackSales(figures.sales);
  // Of a shop without sales, any day will do.
  dayZero = sales ? sales.firstDay : Math.floor(Date.parse(figures.built_at) / DAY);
  drawControls();
  drawCsvButtons();
  drawFreshness();
  addEventListener("hashchange", () => draw(readAddress()));
  draw(readAddress());
  document.body.dataset.drawn = "true";
}

start().catch((error) => {
  put("problem", `This page can't be shown: ${error}. It needs a browser of 2023 or later.`);
  throw error;
});
