// Unit tests of the dashboard's pure functions: `node --test tools/dashboard/`.
// The parts are classic scripts that share one scope, so they run in one context, without a page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const PARTS = new URL("../../ecommerce_assets/dashboard/parts/", import.meta.url);
const figures = {
  built_at: "2024-03-01T00:00:00+00:00",
  currency: "EUR",
  digits: 2,
  orders: { can_be_lost: true, left_out: [] },
  sales: null,
  quality: { quarantined: [], late: [] },
  delivered: {},
};
const document = { getElementById: () => ({ textContent: JSON.stringify(figures) }) };
const context = vm.createContext({ document, Intl, Date, TextDecoder });
for (const part of ["lines", "elements", "view", "sales"]) {
  vm.runInContext(readFileSync(new URL(`${part}.js`, PARTS), "utf8"), context);
}
const run = (code) => vm.runInContext(code, context);
const plain = (code) => JSON.parse(run(`JSON.stringify(${code})`));

// Three days from 2024-01-30 on. Order 0 (customer 0) has two lines, order 1 (customer 1) is cancelled,
// order 2 (customer 0) is on the third day. Something came back on the second and on the third. Products: 0 of category 0 with a cost, 1 of category 1 without.
run(`
  dayZero = Date.parse("2024-01-30") / DAY;
  sales = {
    guest: -1, days: 3, orders: [1, 1, 1], dayStart: [0, 1, 2, 3], lineStart: [0, 2, 3, 4], orderDay: [0, 1, 2],
    customer: [0, 1, 0], is_sale: [1, 0, 1], product: [0, 1, 0, 0], pieces: [1, 2, 1, 3],
    revenue: [1000, 500, 9900, 3000], country: [0, 1, 0], currency: [0, 0, 1], segment: [0, 0], category: [0, 1], firstSale: [0, NaN],
    return_day: [1, 2], return_customer: [0, 1], return_country: [0, 1], return_currency: [0, 1], return_product: [0, 1],
    return_reason: [0, 1], return_pieces: [1, 2], returned: [300, 200],
    names: { products: [["P1", "Chair", 0, 400, true], ["P2", "Lamp", 1, null, true]], reasons: ["damaged", "late"] },
  };
  none = { category: null, country: null, segment: null, currency: null };
`);

test("starts of counts", () => {
  assert.deepEqual(plain("[...startsOf([2, 0, 3])]"), [0, 2, 2, 5]);
});

test("measures count orders, customers and units once, and margins where a cost is known", () => {
  const found = plain("measures({ from: 0, to: 2 }, none)");
  assert.equal(found.revenue, 4500);
  assert.deepEqual([found.orders, found.placed, found.customers, found.added], [2, 3, 1, 1]);
  assert.equal(found.average, 2250);
  assert.equal(found.lost, 1 / 3);
  assert.deepEqual([found.returned, found.returns, found.net, found.returnRate], [500, 2, 4000, 500 / 4500]);
  assert.equal(found.costed, 4000 / 4500);
  assert.equal(found.margin, (4000 - 400 - 3 * 400) / 4000);
});

test("returns count by their own day, product and country", () => {
  const one = plain("returnsBy({ from: 2, to: 2 }, none, (n) => sales.return_reason[n])");
  assert.deepEqual(one, [{ place: 1, returned: 200, pieces: 2, returns: 1 }]);
  assert.equal(plain("measures({ from: 0, to: 2 }, { ...none, category: 0 })").returned, 300);
  assert.equal(plain("measures({ from: 0, to: 2 }, { ...none, country: 1 })").returned, 200);
});

test("the guest counts in revenue and orders, and is no customer", () => {
  run("sales.guest = 0");
  const found = plain("measures({ from: 0, to: 2 }, none)");
  const [january] = plain("bySpan({ from: 0, to: 2 }, none, monthOf)");
  const cohorts = plain("cohorts({ from: 0, to: 2 }, none, monthOf)");
  run("sales.guest = -1");
  assert.deepEqual([found.revenue, found.orders, found.customers, found.perCustomer], [4500, 2, 0, null]);
  assert.deepEqual([january.revenue, january.known, january.fresh, january.customers], [1500, 0, 0, 0]);
  assert.deepEqual(cohorts, []);
});

test("filters leave the lines of one category, and no others", () => {
  assert.equal(plain("measures({ from: 0, to: 2 }, { ...none, category: 1 })").revenue, 500);
  assert.equal(plain("measures({ from: 0, to: 2 }, { ...none, country: 1 })").orders, 0);
});

test("the filter of a currency leaves the orders and returns that have it", () => {
  const found = plain("measures({ from: 0, to: 2 }, { ...none, currency: 1 })");
  assert.deepEqual([found.revenue, found.orders, found.returned], [3000, 1, 200]);
});

test("a range without days has no figure, and no error", () => {
  const found = plain("measures({ from: 9, to: 12 }, none)");
  assert.deepEqual([found.revenue, found.average, found.lost], [0, null, null]);
});

test("places come by revenue, then by their number", () => {
  const found = plain("byPlace({ from: 0, to: 2 }, none, (line) => sales.category[sales.product[line]])");
  assert.deepEqual(
    found.map((row) => [row.place, row.revenue, row.orders]),
    [
      [0, 4000, 2],
      [1, 500, 1],
    ],
  );
});

test("spans add up, and know who is new", () => {
  const found = plain("bySpan({ from: 0, to: 2 }, none, monthOf)");
  assert.deepEqual(
    found.map((row) => [row.start, row.revenue, row.added]),
    [
      ["2024-01", 1500, 1],
      ["2024-02", 3000, 0],
    ],
  );
});

test("cohorts follow customers into later months", () => {
  assert.deepEqual(plain("cohorts({ from: 0, to: 2 }, none, monthOf)"), [{ month: "2024-01", members: 1, later: [1] }]);
});

test("weeks begin on Monday, months on their first", () => {
  assert.equal(run('startOf(dayOf("2024-02-04"), "week")'), "2024-01-29");
  assert.equal(run('startOf(dayOf("2024-02-29"), "month")'), "2024-02-01");
  assert.equal(run('isoOf(dayOf("2024-02-29"))'), "2024-02-29");
});

test("the days before, and the same days a year before", () => {
  run('view.compared = "before"');
  assert.deepEqual(plain("comparedWith({ from: 10, to: 12 })"), { from: 7, to: 9 });
  run('view.compared = "year"');
  const leap = plain('comparedWith({ from: dayOf("2024-02-29"), to: dayOf("2024-03-01") })');
  assert.equal(run(`isoOf(${leap.from})`), "2023-02-28");
  assert.equal(run(`isoOf(${leap.to})`), "2023-03-01");
});

test("a change is relative, of shares in points, and of nothing there is none", () => {
  assert.deepEqual(plain("changeOf({}, 150, 100)"), { by: 50, unit: "%" });
  assert.deepEqual(plain("changeOf({ points: true }, 0.5, 0.25)"), { by: 25, unit: "points" });
  assert.equal(run("changeOf({}, 1, 0)"), null);
  assert.equal(run("changeOf({}, 1, null)"), null);
});

test("a CSV quotes what it must, and no cell is a formula", () => {
  const csv = run('csvOf([{ name: "a,b", show: (row) => row }], ["=1+1", "-5.2", "say \\"hi\\"", null])');
  assert.equal(csv, '"a,b"\r\n\'=1+1\r\n-5.2\r\n"say ""hi"""\r\n\r\n');
});

test("counters count different numbers", () => {
  assert.equal(run("{ const d = distinct(); [3, 1, 3].forEach((n) => d.add(n)); d.count; }"), 2);
  assert.equal(run("{ const c = changes(); [1, 1, 2, 2, 3].forEach((n) => c.add(n)); c.count; }"), 3);
});
