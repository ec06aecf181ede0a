"use strict";
// The order lines and returns, unpacked, and what is counted in them. Days are numbers from the first day on,
// amounts are in smallest units of the currency; categories, countries and the like are positions in `sales.names`.

const figures = JSON.parse(document.getElementById("figures").textContent);
const DAY = 86_400_000;
const COHORT_MONTHS = 12;
let sales = null;

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// How they are packed: see dashboard/sales.py.
async function unpackSales({ first, limited_to: limitedTo, guest, names, columns, packed }) {
  const bytes = await inflated(packed);
  const read = {};
  let offset = 0;
  for (const [name, length, width] of columns) {
    const values = new Float64Array(length);
    for (let plane = 0; plane < width; plane++) {
      const weight = 256 ** plane;
      for (let n = 0; n < length; n++) values[n] += bytes[offset + n] * weight;
      offset += length;
    }
    read[name] = values;
  }
  const firstDay = Date.parse(first) / DAY;
  const orderDay = new Int32Array(read.customer.length);
  const dayStart = startsOf(read.orders);
  for (let day = 0; day < read.orders.length; day++) orderDay.fill(day, dayStart[day], dayStart[day + 1]);
  sales = {
    ...read,
    firstDay,
    limitedTo,
    guest,
    dayStart,
    orderDay,
    days: read.orders.length,
    lineStart: startsOf(read.lines),
    names: JSON.parse(new TextDecoder().decode(await inflated(names))),
    // The first sale may be older than the first day; without one, it is no day.
    firstSale: read.first_sale.map((day) => (day ? day - 1 - firstDay : NaN)),
  };
  sales.category = Int32Array.from(sales.names.products, (product) => product[2]);
}

function startsOf(counts) {
  const starts = new Int32Array(counts.length + 1);
  counts.forEach((count, n) => {
    starts[n + 1] = starts[n] + count;
  });
  return starts;
}

// Lines of the range that the filters leave. A filter is a place, or null for all.
function eachLine(range, filters, see) {
  const { dayStart, lineStart, customer, country, currency, segment, category, product, days } = sales;
  const end = dayStart[Math.max(0, Math.min(days, range.to + 1))];
  for (let order = dayStart[Math.max(0, Math.min(days, range.from))]; order < end; order++) {
    const who = customer[order];
    if (filters.country !== null && country[order] !== filters.country) continue;
    if (filters.segment !== null && segment[who] !== filters.segment) continue;
    if (filters.currency !== null && currency[order] !== filters.currency) continue;
    for (let line = lineStart[order]; line < lineStart[order + 1]; line++) {
      if (filters.category !== null && category[product[line]] !== filters.category) continue;
      see(line, order, who);
    }
  }
}

function eachSale(range, filters, see) {
  eachLine(range, filters, (line, order, who) => {
    if (sales.is_sale[order]) see(line, order, who);
  });
}

// Returns of the range, by their own day, that the filters leave.
function eachReturn(range, filters, see) {
  const { return_day: day, return_customer: customer, return_country: country, return_product: product } = sales;
  for (let n = 0; n < day.length; n++) {
    if (day[n] < range.from || day[n] > range.to) continue;
    if (filters.country !== null && country[n] !== filters.country) continue;
    if (filters.segment !== null && sales.segment[customer[n]] !== filters.segment) continue;
    if (filters.category !== null && sales.category[product[n]] !== filters.category) continue;
    if (filters.currency !== null && sales.return_currency[n] !== filters.currency) continue;
    see(n);
  }
}

// What came back, by what `placeOf` says of a return; the most first.
function returnsBy(range, filters, placeOf) {
  const places = new Map();
  eachReturn(range, filters, (n) => {
    const place = placeOf(n);
    const found = places.get(place) ?? { place, returned: 0, pieces: 0, returns: 0 };
    found.returned += sales.returned[n];
    found.pieces += sales.return_pieces[n];
    found.returns += 1;
    places.set(place, found);
  });
  return [...places.values()].sort((a, b) => b.returned - a.returned || (a.place < b.place ? -1 : 1));
}

// Counts different customers that come in any order; the guest is none.
function distinct() {
  const seen = new Set();
  return {
    add: (who) => {
      if (who !== sales.guest) seen.add(who);
    },
    get count() {
      return seen.size;
    },
  };
}

// Counts different numbers that come in order, like those of the orders of the lines.
function changes() {
  let last = -1;
  let count = 0;
  return {
    add(n) {
      if (n !== last) {
        last = n;
        count += 1;
      }
    },
    get count() {
      return count;
    },
  };
}

function measures(range, filters) {
  const [orders, ofGuests, placed] = [changes(), changes(), changes()];
  const [customers, added] = [distinct(), distinct()];
  let [revenue, costed, cost] = [0, 0, 0];
  eachLine(range, filters, (line, order, who) => {
    placed.add(order);
    if (!sales.is_sale[order]) return;
    orders.add(order);
    if (who === sales.guest) ofGuests.add(order);
    customers.add(who);
    if (sales.firstSale[who] >= range.from) added.add(who);
    revenue += sales.revenue[line];
    const piece = sales.names.products[sales.product[line]][3];
    if (piece !== null) {
      costed += sales.revenue[line];
      cost += piece * sales.pieces[line];
    }
  });
  let [returned, returns] = [0, 0];
  eachReturn(range, filters, (n) => {
    returned += sales.returned[n];
    returns += 1;
  });
  const ratio = (part, whole) => (whole ? part / whole : null);
  return {
    revenue,
    returned,
    returns,
    net: revenue - returned,
    returnRate: ratio(returned, revenue),
    orders: orders.count,
    placed: placed.count,
    customers: customers.count,
    added: added.count,
    average: orders.count ? Math.round(revenue / orders.count) : null,
    perCustomer: ratio(orders.count - ofGuests.count, customers.count),
    lost: figures.orders.can_be_lost ? ratio(placed.count - orders.count, placed.count) : null,
    margin: ratio(costed - cost, costed),
    costed: ratio(costed, revenue),
  };
}

// By span of days, in order: revenue, what came back, that of customers (`known`: not of guests), customers, and how
// many of them and how much of it are new.
// A customer is new in the span of the first sale ever.
function bySpan(range, filters, spanOf) {
  const spans = new Map();
  const names = new Array(sales.days);
  for (let day = Math.max(0, range.from); day <= Math.min(sales.days - 1, range.to); day++) {
    names[day] = spanOf(day);
    if (!spans.has(names[day]))
      spans.set(names[day], {
        first: day,
        revenue: 0,
        returned: 0,
        known: 0,
        fresh: 0,
        customers: distinct(),
        added: distinct(),
      });
    spans.get(names[day]).last = day;
  }
  eachSale(range, filters, (line, order, who) => {
    const span = spans.get(names[sales.orderDay[order]]);
    span.revenue += sales.revenue[line];
    if (who === sales.guest) return;
    span.known += sales.revenue[line];
    span.customers.add(who);
    if (sales.firstSale[who] >= span.first) {
      span.added.add(who);
      span.fresh += sales.revenue[line];
    }
  });
  eachReturn(range, filters, (n) => {
    spans.get(names[sales.return_day[n]]).returned += sales.returned[n];
  });
  return [...spans].map(([start, span]) => ({
    start,
    first: span.first,
    last: span.last,
    revenue: span.revenue,
    returned: span.returned,
    net: span.revenue - span.returned,
    known: span.known,
    fresh: span.fresh,
    customers: span.customers.count,
    added: span.added.count,
  }));
}

// Revenue, orders and customers by what `placeOf` says of a line; the most revenue first.
function byPlace(range, filters, placeOf) {
  const places = new Map();
  eachSale(range, filters, (line, order, who) => {
    const place = placeOf(line, order, who);
    if (!places.has(place))
      places.set(place, { place, revenue: 0, pieces: 0, orders: changes(), customers: distinct() });
    const found = places.get(place);
    found.revenue += sales.revenue[line];
    found.pieces += sales.pieces[line];
    found.orders.add(order);
    found.customers.add(who);
  });
  return [...places.values()]
    .map((found) => ({ ...found, orders: found.orders.count, customers: found.customers.count }))
    .sort((a, b) => b.revenue - a.revenue || (a.place < b.place ? -1 : 1));
}

// Customers by the month of their first sale, if it is in the range, and how many of them bought
// in each later month of the range.
function cohorts(range, filters, monthOf) {
  const found = new Map();
  const place = (month) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7));
  eachSale(range, { ...filters, category: null }, (line, order, who) => {
    const day = sales.firstSale[who];
    if (!(day >= range.from) || who === sales.guest) return;
    const month = monthOf(day);
    if (!found.has(month)) found.set(month, { month, members: distinct(), later: [] });
    found.get(month).members.add(who);
  });
  eachSale(range, filters, (line, order, who) => {
    const cohort = sales.firstSale[who] >= range.from && found.get(monthOf(sales.firstSale[who]));
    if (!cohort) return;
    const after = place(monthOf(sales.orderDay[order])) - place(cohort.month);
    cohort.later[after] ??= distinct();
    cohort.later[after].add(who);
  });
  const end = place(monthOf(range.to));
  return [...found.values()]
    .sort((a, b) => a.month.localeCompare(b.month))
    .map((cohort) => ({
      month: cohort.month,
      members: cohort.members.count,
      // Month 0 is that of the first sale; a month beyond the range has no figure.
      later: Array.from(
        { length: Math.min(COHORT_MONTHS, end - place(cohort.month)) },
        (_, n) => cohort.later[n + 1]?.count ?? 0,
      ),
    }));
}
