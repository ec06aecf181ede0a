// What is chosen: a page, a range of days, what it is compared with, filters. It is in the address,
// so that a link or a bookmark shows the same.

const PAGES = ["sales", "quality"];
const PRESETS = [
  ["7 days", 7],
  ["14 days", 14],
  ["28 days", 28],
  ["90 days", 90],
  ["365 days", 365],
  ["All", Infinity],
];
const GRAINS = { day: "Day", week: "Week", month: "Month" };
const COMPARED = { before: "Days before", year: "A year before" };
const FILTERS = { category: "categories", country: "countries", segment: "segments", currency: "currencies" };
const NO_FILTERS = { category: null, country: null, segment: null, currency: null };

const view = {
  page: "sales",
  from: 0,
  to: 0,
  ranged: false,
  asked: null,
  preset: null, // the button that was pressed
  grain: "day",
  compared: "before",
  filters: { ...NO_FILTERS },
};

let dayZero = 0; // day 0, as days from 1970-01-01
const dateOf = (day) => new Date((dayZero + day) * DAY);
const isoOf = (day) => dateOf(day).toISOString().slice(0, 10);
const dayOf = (iso) => Math.round(Date.parse(iso) / DAY) - dayZero;
const months = new Map(); // asked for once a line
function monthOf(day) {
  if (!months.has(day)) months.set(day, isoOf(day).slice(0, 7));
  return months.get(day);
}

// The first day of the week (from Monday) or month that a day is in.
function startOf(day, grain) {
  const date = dateOf(day);
  if (grain === "week") date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  if (grain === "month") date.setUTCDate(1);
  return date.toISOString().slice(0, 10);
}
const spanOf = (day) => (view.grain === "month" ? monthOf(day) : startOf(day, view.grain));
const spanTitle = () => ({ day: "Day", week: "Week from", month: "Month" })[view.grain];

// The days that a page has figures of: days of orders, or ingestion dates.
function windowOf(page) {
  if (page === "sales") return sales ? { from: 0, to: sales.days - 1 } : null;
  const { quarantined, late } = figures.quality;
  const dates = [...quarantined, ...late]
    .map((row) => row.day)
    .concat(Object.values(figures.delivered).filter((day) => day !== null))
    .sort();
  return dates.length ? { from: dayOf(dates[0]), to: dayOf(dates.at(-1)) } : null;
}

// The days before, as many, or the same days of the year before.
function comparedWith(range) {
  if (view.compared === "before") {
    const length = range.to - range.from + 1;
    return { from: range.from - length, to: range.from - 1 };
  }
  const yearBefore = (day) => {
    const date = dateOf(day);
    const month = date.getUTCMonth();
    date.setUTCFullYear(date.getUTCFullYear() - 1);
    if (date.getUTCMonth() !== month) date.setUTCDate(0); // 29 February
    return dayOf(date.toISOString().slice(0, 10));
  };
  return { from: yearBefore(range.from), to: yearBefore(range.to) };
}

// The longest of the usual periods that has one before it to be compared with.
function usualRange(page) {
  const whole = windowOf(page);
  if (!whole) return { from: 0, to: 0 };
  const days = whole.to - whole.from + 1;
  const fitting = PRESETS.map(([, length]) => length).filter((length) => length <= 90 && 2 * length <= days);
  return { from: whole.to + 1 - (fitting.length ? Math.max(...fitting) : days), to: whole.to };
}

// ---- the address

function address() {
  const words = new URLSearchParams();
  if (view.ranged) {
    // As it was asked for: another page may have figures of more of it.
    words.set("from", view.asked?.from ?? isoOf(view.from));
    words.set("to", view.asked?.to ?? isoOf(view.to));
  }
  if (view.grain !== "day") words.set("by", view.grain);
  if (view.compared !== "before") words.set("compared", view.compared);
  for (const [name, list] of Object.entries(FILTERS)) {
    if (view.filters[name] !== null) words.set(name, sales.names[list][view.filters[name]]);
  }
  const asked = words.toString();
  return `#${view.page}${asked ? `?${asked}` : ""}`;
}

// Takes the address's words; gives what is wrong with them.
function readAddress() {
  const [page, asked = ""] = location.hash.slice(1).split("?");
  const words = new URLSearchParams(asked);
  const problems = [];
  view.page = PAGES.includes(page) ? page : "sales";
  view.grain = Object.hasOwn(GRAINS, words.get("by")) ? words.get("by") : "day";
  view.compared = Object.hasOwn(COMPARED, words.get("compared")) ? words.get("compared") : "before";
  for (const [name, list] of Object.entries(FILTERS)) {
    const wanted = words.get(name);
    const place = wanted === null || !sales ? -1 : sales.names[list].indexOf(wanted);
    view.filters[name] = place < 0 ? null : place;
    if (wanted !== null && place < 0) problems.push(`No ${name} ${wanted} has orders in these days.`);
  }
  Object.assign(view, { ranged: false, asked: null, preset: null });
  if (words.has("from") || words.has("to")) {
    problems.push(...[setRange(words.get("from") ?? "", words.get("to") ?? "")].filter(Boolean));
  }
  if (!view.ranged) Object.assign(view, usualRange(view.page));
  return problems.join(" ");
}

// Takes a range as it is typed, if it can be used; gives what is wrong or worth knowing of it.
function setRange(fromIso, toIso) {
  const whole = windowOf(view.page);
  const isDate = (iso) => /^\d{4}-\d{2}-\d{2}$/.test(iso) && !Number.isNaN(Date.parse(iso));
  if (!whole) return "";
  if (!isDate(fromIso) || !isDate(toIso)) return "From and to must be dates; the last period stays.";
  if (fromIso > toIso) return `From (${fromIso}) is after to (${toIso}); the last period stays.`;
  const [from, to] = [dayOf(fromIso), dayOf(toIso)];
  const have = `there are figures from ${isoOf(whole.from)} to ${isoOf(whole.to)}`;
  if (to < whole.from || from > whole.to)
    return `No figures from ${fromIso} to ${toIso}: ${have}; the last period stays.`;
  Object.assign(view, {
    from: Math.max(from, whole.from),
    to: Math.min(to, whole.to),
    ranged: true,
    asked: { from: fromIso, to: toIso },
    preset: null,
  });
  return from < whole.from || to > whole.to ? `Not all of ${fromIso} to ${toIso} is shown: ${have}.` : "";
}

function choose(change, problem = "") {
  Object.assign(view, "from" in change ? { preset: null } : {}, change);
  history.replaceState(null, "", address());
  draw(problem);
}

// A choice that the browser's way back undoes.
function step(change) {
  history.pushState(null, "", location.hash);
  choose(change);
}

const filterBy = (name, place) =>
  step({ filters: { ...view.filters, [name]: view.filters[name] === place ? null : place } });

const filterName = (name, place) => {
  const text = sales.names[FILTERS[name]][place];
  return name === "country" ? countryName(text) : name === "currency" ? text : spaced(text);
};

// ---- the controls

function switches(id, name, choices, key) {
  for (const [value, title] of Object.entries(choices)) {
    const radio = element("input", { type: "radio", name, value });
    radio.addEventListener("change", () => choose({ [key]: value }));
    byId(id).append(element("label", { class: "switch" }, radio, element("span", {}, title)));
  }
}

function drawControls() {
  for (const [name, length] of PRESETS) {
    const button = element("button", { type: "button", "data-days": length }, name);
    button.addEventListener("click", () => {
      const whole = windowOf(view.page);
      const from = Math.max(whole.from, whole.to + 1 - length);
      step({ from, to: whole.to, ranged: true, asked: null, preset: length });
    });
    byId("presets").append(button);
  }
  switches("grains", "grain", GRAINS, "grain");
  switches("compared", "compared", COMPARED, "compared");
  for (const [name, list] of Object.entries(FILTERS)) {
    const options = (sales?.names[list] ?? []).map((text, place) => [filterName(name, place), place]);
    options.sort(([a], [b]) => a.localeCompare(b));
    byId(name).hidden = name === "currency" && options.length < 2;
    byId(name).append(
      element("option", { value: "" }, `All ${list}`),
      ...options.map(([text, place]) => element("option", { value: place }, text)),
    );
    byId(name).addEventListener("change", (event) => {
      const { value } = event.target;
      step({ filters: { ...view.filters, [name]: value === "" ? null : Number(value) } });
    });
  }
  for (const id of ["from", "to"]) {
    byId(id).addEventListener("change", () => {
      const { from, to } = view;
      const problem = setRange(byId("from").value, byId("to").value);
      if (from === view.from && to === view.to) say(problem);
      else choose({}, problem);
    });
  }
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
}

function say(problem) {
  put("problem", problem);
  for (const id of ["from", "to"]) byId(id).setAttribute("aria-invalid", String(problem.endsWith("stays.")));
}

function drawChoice(problem) {
  const whole = windowOf(view.page);
  byId("controls").hidden = !whole;
  byId("period").hidden = !whole;
  byId("sales-choices").hidden = view.page !== "sales";
  say(problem);
  if (!whole) return;
  // What is typed there right now stays.
  for (const id of ["from", "to"]) if (document.activeElement !== byId(id)) byId(id).value = isoOf(view[id]);
  // Several may mean the same days: the one that was pressed, or else the first.
  const fitting = PRESETS.map(([, length]) => length).filter(
    (length) => view.to === whole.to && view.from === (length === Infinity ? whole.from : whole.to + 1 - length),
  );
  const pressed = view.preset === null ? fitting[0] : view.preset;
  for (const button of byId("presets").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.days) === pressed));
  }
  for (const [name, value] of [
    ["grain", view.grain],
    ["compared", view.compared],
  ]) {
    document.querySelector(`input[name=${name}][value=${value}]`).checked = true;
  }
  for (const name of Object.keys(FILTERS)) byId(name).value = view.filters[name] ?? "";
}
