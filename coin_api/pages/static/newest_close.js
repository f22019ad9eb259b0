// The time of the close that an order without a price is filled at, next to its price: it may be long ago.
import { send } from "./forms.js";

const form = document.querySelector("form[data-newest-close]");
const price = form?.querySelector('[name$="_price"]');
const help = price && document.getElementById(`${price.id}-help`);
const hint = help?.textContent;
let reading = null;

/** Return when the newest stored candle of each market closed, ms; null if the server does not respond. */
async function readCloses() {
  try {
    const { ok, body } = await send("GET", "/api/candles");
    if (!ok) return null;
    const closes = new Map();
    for (const { symbol, end } of body.series) closes.set(symbol, Math.max(closes.get(symbol) ?? 0, Date.parse(end)));
    return closes;
  } catch {
    return null; // the order reports it
  }
}

function describe(symbol, close) {
  const { newestClose, noClose } = form.dataset;
  if (close === undefined) return noClose.replace("{symbol}", symbol);
  const time = new Date(close).toLocaleString("sv-SE", { timeZone: "Asia/Seoul" }).slice(0, 16);
  return newestClose.replace("{symbol}", symbol).replace("{time}", time);
}

async function update() {
  const symbol = form.dataset.symbol ?? form.querySelector('[name="symbol"]').value.trim().toUpperCase();
  const closes = symbol && !price.value.trim() ? await (reading ??= readCloses()) : null;
  help.textContent = closes ? `${hint} ${describe(symbol, closes.get(symbol))}` : hint;
}

form?.addEventListener("change", update);
if (form) addEventListener("pageshow", update); // after the form is filled in
