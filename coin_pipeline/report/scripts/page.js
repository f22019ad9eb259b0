"use strict";
// Puts a report together: charts, their controls, the tables of periods and trades, and the command to copy.

const SPANS = [["span_hours", 1, HOUR], ["span_hours", 6, 6 * HOUR], ["span_days", 1, DAY], ["span_days", 7, 7 * DAY],
               ["span_months", 1, 30 * DAY], ["span_months", 3, 91 * DAY], ["span_years", 1, 365 * DAY]];
const MIN_BARS = 20; // a shorter span shows next to nothing
const ACCOUNT = "account-chart", PRICE_CHART = "price-chart";

/** The charts and their controls; charts are rebuilt if the symbol or the theme changes. */
class Charts {
  constructor(data, trades) {
    this.data = data;
    this.trades = trades;
    this.views = new LinkedViews([PRICE_CHART, ACCOUNT]);
    this.select = byId("symbol");
    this.select.append(...data.symbols.map(({ name }) => make("option", {}, name)));
    this.select.addEventListener("change", () => this.keepSpan(() => this.drawPrice()));
    this.longer = byId("longer");
    this.longer.addEventListener("change", () => this.views.get(PRICE_CHART).longer.show(this.longer.value));
    this.rolling = byId("rolling");
    this.matched = byId("matched");
    for (const control of [this.rolling, this.matched]) {
      control.addEventListener("change", () => this.keepSpan(() => this.drawAccount()));
    }
    this.drawAccount();
    this.drawPrice();
    this.fit();
    this.fillSpans();
    const redraw = () => { this.drawAccount(); this.drawPrice(); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.keepSpan(redraw));
  }

  drawAccount() {
    const [{ value: key, text: label }] = this.rolling.selectedOptions, figure = { key, label };
    this.views.set(ACCOUNT, new AccountView(byId(ACCOUNT), this.data, figure, this.matched.checked));
    byId("account-thinned").textContent = thinnedText(this.data.curves.thinned);
  }

  drawPrice() {
    const symbol = this.data.symbols[this.select.selectedIndex];
    this.views.remove(PRICE_CHART);
    byId("price-box").hidden = !symbol?.candles;
    byId("price-note").textContent = symbol?.no_candles ?? "";
    byId("price-thinned").textContent = thinnedText(symbol?.candles?.thinned);
    byId("price-lines").textContent = symbol?.no_lines ?? "";
    if (!symbol?.candles) return;
    const trades = new SymbolTrades(this.trades, this.data.names.indexOf(symbol.name));
    this.views.set(PRICE_CHART, new PriceView(byId(PRICE_CHART), symbol, trades));
    this.offerLonger(symbol.longer);
  }

  /** Offer the longer timeframes that a symbol has, and keep the one that is shown if it is among them. */
  offerLonger(offered) {
    const shown = this.longer.value, periods = offered.map(({ period }) => period);
    const options = periods.map((period) => make("option", { value: period }, text(`period_${period}`)));
    this.longer.replaceChildren(make("option", { value: "" }, text("longer_none")), ...options);
    this.longer.value = periods.includes(shown) ? shown : "";
    this.longer.closest("label").hidden = periods.length === 0;
    this.views.get(PRICE_CHART).longer.show(this.longer.value);
  }

  keepSpan(action) {
    const span = this.views.get(ACCOUNT).span();
    action();
    if (span) this.views.show(span);
  }

  /** Show all data, with half a bar at the edges. */
  fit() {
    const [first, last] = this.views.extent(), half = this.data.bar_seconds / 2;
    this.views.show([first - half, last + half]);
  }

  /** Offer the spans that the data has and that show enough bars. */
  fillSpans() {
    const [first, last] = this.views.extent(), shortest = MIN_BARS * this.data.bar_seconds;
    const offered = SPANS.filter(([, , seconds]) => shortest <= seconds && seconds < last - first);
    const button = (label, onClick) => {
      const element = make("button", { type: "button" }, label);
      element.addEventListener("click", onClick);
      return element;
    };
    const end = last + this.data.bar_seconds / 2;
    const buttons = offered.map(([key, number, seconds]) => button(text(key, { number }), () => this.views.show([end - seconds, end])));
    byId("spans").append(...buttons, button(text("span_all"), () => this.fit()));
  }

  /** Show a trade among the bars around it, and mark it. */
  showTrade(row) {
    const name = this.data.names[this.trades.symbol[row]], index = this.data.symbols.findIndex((symbol) => symbol.name === name);
    if (index >= 0 && index !== this.select.selectedIndex) {
      this.select.selectedIndex = index;
      this.drawPrice();
    }
    const entry = this.trades.entry_time[row], exit = this.trades.exit_time[row];
    const margin = Math.max(exit - entry, MIN_BARS * this.data.bar_seconds);
    this.views.show([entry - margin, exit + margin]);
    if (index >= 0) this.views.get(PRICE_CHART)?.marks.select(row);
    byId("charts").scrollIntoView();
  }
}

const thinnedText = (thinned) => (thinned ? text("thinned", { rows: count(thinned.rows), total: count(thinned.total) }) : "");

/** Copy a command, or select it where the browser forbids to copy. */
async function copy(source, status) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    status.textContent = text("copied");
  } catch {
    getSelection().selectAllChildren(source);
    status.textContent = text("selected");
  }
}

async function main() {
  const data = await readData(), trades = unpackTrades(data.trades);
  document.documentElement.classList.add("scripted"); // shows the parts that need scripts, so that they have a size
  const charts = new Charts(data, trades);
  new PeriodTable(data.periods);
  new TradeTable(data, trades, (row) => charts.showTrade(row));
  byId("copy-replay").addEventListener("click", () => copy(byId("replay"), byId("replay-status")));
  performance.mark("report-ready");
  document.documentElement.dataset.ready = "true";
}

main().catch((error) => {
  document.documentElement.classList.remove("scripted"); // shows the picture instead
  byId("problem").hidden = false;
  byId("problem").append(` ${error.message}`);
});
