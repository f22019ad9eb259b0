// Warnings at the days of a form if no candles are stored for some of them, or the last one is in the future.
import { send } from "./forms.js";

const SHOWN = 3; // markets
const DAY_MS = 24 * 3600 * 1000;
const note = document.getElementById("outside-stored");
const futureNote = document.getElementById("end-in-future");
const form = note.closest("form");
const ranges = new Map(); // of each market, by timeframe
let check = 0;

async function readRanges(timeframe) {
  const { ok, body } = await send("GET", `/api/candles?timeframe=${encodeURIComponent(timeframe)}`);
  return ok ? new Map(body.series.map((series) => [series.symbol, series])) : null;
}

/** Return the chosen markets, timeframe, days and time zone. */
function chosen() {
  const value = (name) => form.querySelector(`[name="${name}"]`)?.value.trim();
  const symbols = Array.from(form.querySelectorAll('[name="symbols"]:checked'), (box) => box.value);
  return { symbols, timeframe: value("timeframe"), start: value("start_date"), end: value("end_date"), timezone: value("timezone") };
}

/** Return the day of an instant in a time zone, as a field of a date has it. */
function dayOf(ms, timeZone) {
  return new Date(ms).toLocaleDateString("sv-SE", { timeZone });
}

/** Return whether there is a time zone of this name. */
function isZone(timeZone) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone }));
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Return what is stored of a market, as a sentence, if it lacks some of the days; null if it has all of them. */
function describeLack(symbol, series, { timeframe, start, end, timezone }) {
  const write = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const name = `${symbol} ${timeframe}`;
  if (!series) return write(note.dataset.none, { series: name });
  const day = (ms) => dayOf(ms, timezone);
  const [first, last, close] = [series.first, series.last, series.end].map(Date.parse);
  const length = close - last;
  const lacksStart = day(first - length) >= start;
  const lacksEnd = day(close) <= end && close + length <= Date.now(); // a candle that has not closed cannot be stored
  if (!lacksStart && !lacksEnd) return null;
  return write(note.dataset.part, { series: name, first: day(first), last: day(Math.max(last, close - DAY_MS)) });
}

async function update() {
  const current = ++check;
  const request = chosen();
  const inZone = isZone(request.timezone);
  futureNote.hidden = !(inZone && request.end > dayOf(Date.now(), request.timezone)); // the last day has not begun
  if (!inZone || !request.symbols.length || !request.start || !request.end || request.start > request.end) {
    note.hidden = true; // the API reports these
    return;
  }
  if (!ranges.has(request.timeframe)) ranges.set(request.timeframe, readRanges(request.timeframe));
  const lacks = await ranges.get(request.timeframe).then(
    (series) => series && request.symbols.map((symbol) => describeLack(symbol, series.get(symbol), request)).filter(Boolean),
    () => null, // the server does not respond: the submission reports it
  );
  if (current !== check) return; // another change
  if (!lacks) ranges.delete(request.timeframe);
  const items = (lacks ?? []).slice(0, SHOWN);
  if (lacks?.length > SHOWN) items.push(note.dataset.more.replace("{count}", lacks.length - SHOWN));
  note.querySelector("ul").replaceChildren(
    ...items.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
  note.hidden = items.length === 0;
}

form.addEventListener("input", update);
addEventListener("pageshow", update); // after the form is filled in
