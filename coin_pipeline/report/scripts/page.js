"use strict";
// Puts a report together: charts, their controls, the tables of periods and trades, and the command to copy.

const SPANS = [["span_hours", 1, HOUR], ["span_hours", 6, 6 * HOUR], ["span_days", 1, DAY], ["span_days", 7, 7 * DAY],
               ["span_months", 1, 30 * DAY], ["span_months", 3, 91 * DAY], ["span_years", 1, 365 * DAY]];
const SHADED = 5; // worst drawdowns
const MIN_BARS = 20; // a shorter span shows next to nothing
const ACCOUNT = "account-chart", PRICE_CHART = "price-chart";

/** The charts and their controls; charts are rebuilt if the symbol or the theme changes. */
class Charts {
  constructor(data, trades) {
    this.data = data;
    this.trades = trades;
    this.views = new LinkedViews([PRICE_CHART, ACCOUNT]);
    this.drawdowns = drawdownSpans();
    this.select = byId("symbol");
    this.names = [...data.symbols.map(({ name }) => name), ...data.symbols_left_out];
    this.select.append(...this.names.map((name) => make("option", {}, name)));
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
    this.linkDrawdowns();
    const redraw = () => { this.drawAccount(); this.drawPrice(); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.keepSpan(redraw));
  }

  drawAccount() {
    const [{ value: key, text: label }] = this.rolling.selectedOptions, figure = { key, label };
    this.views.set(ACCOUNT, new AccountView(byId(ACCOUNT), this.data, figure, this.matched.checked, this.drawdowns.slice(0, SHADED)));
    byId("account-thinned").textContent = thinnedText(this.data.curves.thinned);
  }

  drawPrice() {
    const symbol = this.data.symbols[this.select.selectedIndex];
    this.views.remove(PRICE_CHART);
    byId("price-box").hidden = !symbol?.candles;
    byId("price-note").textContent = symbol ? symbol.no_candles ?? "" : this.explainMissing();
    this.linkReport(!symbol);
    byId("price-thinned").textContent = thinnedText(symbol?.candles?.thinned);
    byId("price-lines").textContent = symbol?.no_lines ?? "";
    if (!symbol?.candles) return;
    const trades = new SymbolTrades(this.trades, this.data.names.indexOf(symbol.name));
    this.views.set(PRICE_CHART, new PriceView(byId(PRICE_CHART), symbol, trades));
    this.offerLonger(symbol.longer);
  }

  /** Return where the price chart of the chosen symbol is. */
  explainMissing() {
    const symbol = this.select.value;
    return text("no_chart", { symbol, command: `coin results report ${this.data.run_id} --symbol ${symbol}` });
  }

  /** Link to the report of the chosen symbol, if this page comes from the server that has it. */
  linkReport(missing) {
    const link = byId("price-report"), served = location.pathname.endsWith(`/reports/${encodeURIComponent(this.data.run_id)}`);
    link.hidden = !(missing && served);
    link.href = `?${new URLSearchParams({ symbol: this.select.value, lang: document.documentElement.lang })}`;
    link.textContent = text("symbol_report", { symbol: this.select.value });
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

  /** Let the number of each drawdown show it. */
  linkDrawdowns() {
    this.drawdowns.forEach(([from, to], i) => {
      const label = text("show_drawdown", { number: i + 1 });
      const button = make("button", { type: "button", title: label, ariaLabel: label }, count(i + 1));
      button.addEventListener("click", () => this.showSpan(from, to, (to - from) / 10));
      drawdownRows()[i].cells[0].replaceChildren(button);
    });
  }

  /** Show a trade among the bars around it, and mark it. */
  showTrade(row) {
    const index = this.names.indexOf(this.data.names[this.trades.symbol[row]]);
    if (index !== this.select.selectedIndex) {
      this.select.selectedIndex = index;
      this.drawPrice();
    }
    const entry = this.trades.entry_time[row], exit = this.trades.exit_time[row];
    this.showSpan(entry, exit, exit - entry);
    this.views.get(PRICE_CHART)?.marks.select(row);
  }

  /** Show a span of time with a margin on both sides, at least of some bars. */
  showSpan(from, to, margin) {
    const around = Math.max(margin, MIN_BARS * this.data.bar_seconds);
    this.views.show([from - around, to + around]);
    byId("charts").scrollIntoView();
  }
}

const drawdownRows = () => [...document.querySelectorAll("#drawdowns [data-start]")];

/** Return the spans of the listed drawdowns, the deepest first. */
const drawdownSpans = () => drawdownRows().map(({ dataset: { start, end } }) => [Number(start), Number(end)]);

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
