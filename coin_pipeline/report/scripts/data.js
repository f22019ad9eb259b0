"use strict";
// Data and texts of a report, and how its numbers are shown. Data never becomes markup: the scripts of the report set it
// as textContent and as values of attributes, and draw it.

const byId = (id) => document.getElementById(id);

const TEXTS = JSON.parse(byId("report-texts").textContent);

/** Return a text in the language of the report with its placeholders filled. */
const text = (key, values = {}) => TEXTS[key].replace(/\{(\w+)\}/g, (_, placeholder) => values[placeholder]);

/** Create an element with properties and children; strings become text nodes. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR; // seconds

const UNDEFINED = "\u2013";
const INTEGER = new Intl.NumberFormat("en-US");
const PRICE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 10 });
const AMOUNT = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 8, signDisplay: "exceptZero" });
const RATIO = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "negative" });
const SHARE = new Intl.NumberFormat("en-US", { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const CHANGE = new Intl.NumberFormat("en-US", {
  style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero",
});
const PLAIN_BELOW = 1e6; // larger fractions are shorter in scientific notation, as in the rest of the page

const defined = (value, format) => (Number.isNaN(value) ? UNDEFINED : format(value));
const count = (value) => INTEGER.format(value);
const price = (value) => defined(value, PRICE.format);
const amount = (value) => defined(value, AMOUNT.format);
const ratio = (value) => defined(value, RATIO.format);
const share = (fraction) => defined(fraction, SHARE.format);

/** Format a fraction as a percentage with its sign. */
function change(fraction) {
  if (Math.abs(fraction) < PLAIN_BELOW) return CHANGE.format(fraction);
  return defined(fraction, (value) => `${value > 0 ? "+" : ""}${(100 * value).toExponential(2)}%`);
}

/** Write a time in the time zone of the report, with its offset from UTC: 2024-01-31T09:00:00+09:00. */
function zonedTime(seconds) {
  const offset = zoneOffset(seconds), minutes = Math.abs(offset) / MINUTE;
  const hours = [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");
  return isoTime(seconds + offset).replace("Z", `${offset < 0 ? "-" : "+"}${hours}`);
}

const isoTime = (seconds) => new Date(1000 * seconds).toISOString().replace(".000Z", "Z");

const ZONE_TIME = new Intl.DateTimeFormat("sv-SE", { // 2024-01-31 09:00
  timeZone: document.documentElement.dataset.zone, dateStyle: "short", timeStyle: "short",
});

/** Write a time in the time zone of the report, to the minute. */
const shortTime = (seconds) => ZONE_TIME.format(1000 * seconds);

/** Return the seconds by which the clocks of the time zone are ahead of UTC at a time. */
const zoneOffset = (seconds) => Date.parse(`${shortTime(seconds).replace(" ", "T")}Z`) / 1000 - Math.floor(seconds / MINUTE) * MINUTE;

/** Class and arrow of a gain or loss: colour is never the only difference. */
const sideOf = (value) => (value > 0 ? "gain" : value < 0 ? "loss" : "even");
const arrowOf = (value) => ({ gain: "\u25b2", loss: "\u25bc", even: "" })[sideOf(value)];

/** Return the number of sorted values that are below a limit. */
function countBelow(values, limit) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the index of the last of sorted times that is not after a time, 0 if all are. */
const rowAt = (times, time) => Math.max(countBelow(times, time + 1) - 1, 0);

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Return the numbers of a packed column (`Column` in payload.py), NaN for nulls; null for a column that is not there. */
function unpack(column) {
  if (!column) return null;
  if (column.values) return Float64Array.from(column.values, (value) => value ?? NaN);
  let sum = 0;
  return Float64Array.from(column.deltas, (delta) => (delta === null ? NaN : (sum += delta) / column.divisor));
}

/** Read the data of the report (encoding.py): gzip in Base64 in JSON. */
async function readData() {
  const packed = atob(JSON.parse(byId("report-data").textContent).gzip);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

const TRADE_COLUMNS = ["symbol", "entry_time", "exit_time", "entry_price", "exit_price", "net_return", "spent", "bars_held",
                       "reason", "open_at_end"];

/** Return the trades with unpacked columns, and the profit of each if the money spent is known. */
function unpackTrades(packed) {
  const columns = Object.fromEntries(TRADE_COLUMNS.map((name) => [name, unpack(packed[name])]));
  const { net_return: net, spent } = columns, profit = spent?.map((amount, i) => net[i] * amount);
  return { ...columns, profit, total: packed.total, reasons: packed.reasons, length: columns.entry_time.length };
}
