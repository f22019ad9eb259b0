"use strict";
// The price chart of a symbol.

const MAX_BARS = 6000; // loaded at once; more take seconds to load and to pan
const PAUSE = 150; // ms without a change of the view, after which other bars are loaded

/** How bars are merged into one, by column. */
const MERGES = {
  time: (values) => values[0],
  open: (values) => values[0],
  high: (values) => values.reduce((a, b) => Math.max(a, b)),
  low: (values) => values.reduce((a, b) => Math.min(a, b)),
  close: (values) => values.at(-1),
  volume: (values) => values.reduce((a, b) => a + b),
  line: (values) => values.findLast((value) => !Number.isNaN(value)) ?? NaN,
};

/** Candles of a symbol with volume, trades, stops and the strategy's lines. Of many bars, some are loaded or merged. */
class PriceView extends View {
  constructor(element, symbol, trades) {
    const columns = Object.entries(symbol.candles).filter(([name, column]) => name in MERGES && column);
    const bars = Object.fromEntries(columns.map(([name, column]) => [name, unpack(column)]));
    super(element);
    this.bars = bars;
    this.bar = symbol.candles.bar_seconds;
    this.extent = [bars.time[0], bars.time.at(-1)];
    this.total = Math.round((this.extent[1] - this.extent[0]) / this.bar) + 1; // with missing ones
    this.lines = symbol.lines.map((line, i) => {
      const indicator = line.kind === "indicator";
      const key = indicator ? LINE_COLOURS[i % LINE_COLOURS.length] : line.kind.replaceAll("_", "-");
      return { pane: line.pane, all: unpack(line.values), indicator, key, label: indicator ? line.label : text(line.kind) };
    });
    const decimals = Math.ceil(Math.log10(symbol.candles.close.divisor ?? 1e4));
    const { format } = new Intl.NumberFormat("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    this.priceFormat = { type: "custom", formatter: format, minMove: 10 ** -decimals };
    this.main = { series: this.addCandles() };
    if (bars.volume) this.volume = this.addVolume();
    this.addIndicators();
    this.load(this.part(this.extent));
    this.longer = new LongerCandles(this, symbol.longer);
    this.marks = new TradeMarks(this, trades);
    for (const overlay of [this.longer, this.marks]) this.main.series.attachPrimitive(overlay);
    if (this.total > MAX_BARS) this.reloadOnPause();
  }

  /** Add hollow candles for rising prices and solid ones for falling prices. */
  addCandles() {
    const { gain, loss, paper } = this.palette;
    const up = { upColor: paper, borderUpColor: gain, wickUpColor: gain };
    const down = { downColor: loss, borderDownColor: loss, wickDownColor: loss };
    const options = { priceFormat: this.priceFormat, priceLineVisible: false, lastValueVisible: false, ...up, ...down };
    return this.chart.addSeries(LightweightCharts.CandlestickSeries, options);
  }

  addVolume() {
    const options = { color: this.palette.volume, priceScaleId: "volume", priceFormat: { type: "volume" },
                      priceLineVisible: false, lastValueVisible: false };
    const series = this.chart.addSeries(LightweightCharts.HistogramSeries, options);
    series.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    return series;
  }

  /** Add the strategy's lines on the price, on the volume or in panes below; stops are drawn with the trades. */
  addIndicators() {
    let panes = 1;
    const scales = { price: { priceFormat: this.priceFormat }, volume: { priceScaleId: "volume", priceFormat: { type: "volume" } } };
    for (const line of this.lines.filter(({ indicator }) => indicator)) {
      line.series = this.addLine(line.key, { lineWidth: 1, ...scales[line.pane] }, line.pane === "own" ? panes++ : 0);
    }
    this.element.style.setProperty("--panes", panes - 1); // each makes the chart higher
    this.chart.panes().forEach((pane, i) => pane.setStretchFactor(i ? 1 : 4));
  }

  /** Return which bars to load for a span, it and its width on both sides, and how many to merge into one. */
  part(span) {
    if (this.total <= MAX_BARS) return { first: 0, end: this.total, size: 1 };
    const [from, to] = span.map((time) => clamp(this.barAt(time), 0, this.total - 1)), width = to - from + 1;
    const size = 2 ** Math.max(0, Math.ceil(Math.log2((3 * width) / MAX_BARS)));
    const first = Math.max(from - width, 0);
    return { first: first - (first % size), end: Math.min(to + width, this.total), size };
  }

  /** Return the number of the bar at a time, from the first one and with missing ones. */
  barAt(time) {
    return Math.floor((time - this.extent[0]) / this.bar);
  }

  /** Load a part of the bars into the series. */
  load(part) {
    const { first, end, size } = (this.loaded = part), { time } = this.bars, cells = Math.ceil((end - first) / size);
    this.setGrid(time[0] + first * this.bar, size * this.bar, cells);
    const starts = Array.from({ length: cells + 1 }, (_, i) => countBelow(time, this.timeAt(i)));
    const filled = starts.slice(0, -1).map((_, i) => i).filter((i) => starts[i] < starts[i + 1]);
    const merge = (values, pick) => Float64Array.from(filled, (i) => pick(values.subarray(starts[i], starts[i + 1])));
    this.candles = Object.fromEntries(Object.entries(this.bars).map(([name, values]) => [name, merge(values, MERGES[name])]));
    this.candles.time = Float64Array.from(filled, (i) => this.timeAt(i));
    this.setSeries(merge);
    byId("price-merged").textContent = size > 1 ? text("merged", { bars: count(size) }) : "";
  }

  setSeries(merge) {
    const { time: times, open, high, low, close, volume } = this.candles;
    const candle = (time, i) => ({ time: time + this.shift, open: open[i], high: high[i], low: low[i], close: close[i] });
    this.main.series.setData(Array.from(times, candle));
    this.volume?.setData(points(times, volume, this.shift));
    for (const line of this.lines) {
      line.values = merge(line.all, MERGES[line.pane === "volume" ? "volume" : "line"]);
      line.series?.setData(points(times, line.values, this.shift));
    }
  }

  reloadOnPause() {
    const press = (pressed) => () => { this.pressed = pressed; };
    this.element.addEventListener("pointerdown", press(true));
    addEventListener("pointerup", press(false));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.waitForPause());
  }

  /** Reload once the view has not changed for a while; bars that change under a moving pointer would jump. */
  waitForPause() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.pressed ? this.waitForPause() : this.reload()), PAUSE);
  }

  /** Load other bars if the view has some that are not loaded, or needs other ones merged. */
  reload() {
    const span = this.span(), part = span && this.part(span), { first, end, size } = this.loaded;
    if (!part) return;
    const [from, to] = span.map((time) => clamp(this.barAt(time), 0, this.total - 1));
    if (part.size === size && first <= from && to < end) return;
    this.load(part);
    this.show(span);
  }

  remove() {
    clearTimeout(this.timer);
    super.remove();
  }

  items(at) {
    const { time, open, high, low, close, volume } = this.candles, index = rowAt(time, at);
    const prices = [["chart_open", open], ["chart_high", high], ["chart_low", low], ["chart_close", close]];
    const shown = this.lines.filter(({ indicator, values }) => indicator || !Number.isNaN(values[index]));
    return [
      ...prices.map(([label, values]) => [text(label), price(values[index])]),
      ["", change(close[index] / open[index] - 1)],
      ...(volume ? [[text("chart_volume"), price(volume[index])]] : []),
      ...shown.map(({ label, values, key }) => [label, price(values[index]), key]),
    ];
  }

  valueAt(time) {
    return this.candles.close[rowAt(this.candles.time, time)];
  }
}

/** The trades of one symbol, in order of entry. */
class SymbolTrades {
  constructor(columns, number) {
    this.columns = columns;
    this.rows = [];
    for (let i = 0; i < columns.length; i++) if (columns.symbol[i] === number) this.rows.push(i);
    this.entered = Float64Array.from(this.rows, (row) => columns.entry_time[row]);
    this.longest = this.rows.reduce((most, row) => Math.max(most, columns.exit_time[row] - columns.entry_time[row]), 0);
  }

  /** Return the rows of the trades that were open at some time of a range. */
  within(from, to) {
    const first = countBelow(this.entered, from - this.longest);
    return this.rows.slice(first, countBelow(this.entered, to + 1)).filter((row) => this.columns.exit_time[row] >= from);
  }
}
