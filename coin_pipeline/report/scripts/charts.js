"use strict";
// The charts: price with trades, and the account with drawdown and a rolling figure. They show the same time.

const MAX_FILLS = 400; // more entries and exits in view would hide the candles
const MAX_CONNECTIONS = 4000; // trades drawn per frame, so that panning stays smooth
const MAX_BARS = 6000; // loaded at once; more take seconds to load and to pan
const MIN_LONGER_WIDTH = 4; // px of a candle of a longer timeframe
const PAUSE = 150; // ms without a change of the view, after which other bars are loaded
const LOG_SCALE_FROM = 10; // highest over lowest equity
// Those that differ most from the markers of entries and the levels of stops first.
const LINE_COLOURS = ["line-5", "line-3", "line-6", "line-2", "line-4", "line-1"];
const COLOURS = [...LINE_COLOURS, "paper", "muted", "line", "grid", "held", "gain", "loss", "loss-fill", "volume", "entry",
                 "highlight", "stop-loss", "take-profit", "trailing-stop"];

/** Return the custom properties that the charts use, by name, in the current theme. */
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/** Points of a series, its times moved by `shift`; values that are not defined are left out. */
function points(times, values, shift) {
  const result = [];
  for (let i = 0; i < times.length; i++) if (!Number.isNaN(values[i])) result.push({ time: times[i] + shift, value: values[i] });
  return result;
}

const PRICES = ["time", "open", "high", "low", "close"];

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

/**
 * A chart of equal cells of time, so that charts that show the same time are aligned; bars may be missing. A subclass calls
 * `setGrid`, and has `main`, the series that the crosshair follows, `items(time)` and `valueAt(time)`.
 */
class View {
  constructor(element) {
    this.element = element;
    this.legend = byId(`${element.id}-legend`);
    this.palette = readPalette();
    this.chart = LightweightCharts.createChart(element, this.options());
    this.cells = this.chart.addSeries(LightweightCharts.LineSeries, { visible: false, priceScaleId: "cells" });
  }

  /**
   * Set the times of the cells: `origin`, and then every `step` seconds. The chart itself, which labels days and hours of
   * UTC, gets all times moved by `shift`, so that they are those of the time zone.
   */
  setGrid(origin, step, cells) {
    Object.assign(this, { origin, step, shift: zoneOffset(origin) });
    this.cells.setData(Array.from({ length: cells }, (_, i) => ({ time: origin + i * step + this.shift })));
  }

  options() {
    const { paper, muted, line, grid } = this.palette;
    return {
      autoSize: true,
      layout: {
        attributionLogo: false, // it adds a style element, which the policy blocks; the footer has the notice and the link
        background: { color: paper },
        textColor: muted,
        fontFamily: getComputedStyle(document.body).fontFamily,
        panes: { separatorColor: line },
      },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
      crosshair: { mode: LightweightCharts.CrosshairMode.Normal },
      rightPriceScale: { borderColor: line, minimumWidth: 96 }, // equal, so that the linked time axes are aligned
      timeScale: { borderColor: line, timeVisible: true, secondsVisible: false, minBarSpacing: 0.001 },
      handleScroll: { vertTouchDrag: false }, // a finger that moves up scrolls the page
      localization: { locale: document.documentElement.lang, timeFormatter: (time) => shortTime(time - this.shift) },
    };
  }

  timeAt(index) {
    return this.origin + index * this.step;
  }

  indexAt(time) {
    return (time - this.origin) / this.step;
  }

  remove() {
    this.chart.remove();
  }

  /** Return the times at both edges; null before the chart has a size. */
  span() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    return range && [this.timeAt(range.from), this.timeAt(range.to)];
  }

  show([from, to]) {
    this.chart.timeScale().setVisibleLogicalRange({ from: this.indexAt(from), to: this.indexAt(to) });
  }

  /** Write the values at a time into the legend. */
  describe(time) {
    const items = this.items(time).map(([label, value, key]) => {
      const item = make("span", {}, `${label} `, make("b", {}, value));
      if (key) item.prepend(make("i", { className: `key-${key}` }));
      return item;
    });
    this.legend.replaceChildren(make("span", {}, shortTime(time)), ...items);
  }

  addLine(key, options, pane) {
    const base = { color: this.palette[key], lineWidth: 2, priceLineVisible: false, lastValueVisible: false };
    return this.chart.addSeries(LightweightCharts.LineSeries, { ...base, ...options }, pane);
  }
}

const ROLLING_FORMATS = { sharpe: ratio, sortino: ratio, volatility: share, beta: ratio };

/** Equity against buying and holding, drawdown and a rolling figure, in panes of one chart. */
class AccountView extends View {
  /**
   * @param element Element of the chart.
   * @param data Data of the report.
   * @param figure Key and label of the rolling figure, which is shown if the data has it.
   * @param matched Whether to show the equity at the volatility of buying and holding.
   */
  constructor(element, { curves, daily, bar_seconds: bar }, figure, matched) {
    super(element);
    const time = unpack(curves.time), days = unpack(daily.time);
    this.extent = [time[0], time.at(-1)];
    const bars = Math.round((time.at(-1) - time[0]) / bar) + 1;
    this.setGrid(time[0], Math.ceil(bars / MAX_BARS) * bar, Math.min(bars, MAX_BARS));
    const growth = (value) => change(value - 1);
    const rolling = { time: days, values: unpack(daily.rolling && daily.rolling[figure.key]), format: ROLLING_FORMATS[figure.key] };
    this.columns = [
      { label: text("chart_held"), key: "held", pane: 0, time, values: unpack(curves.buy_and_hold), format: growth },
      { label: text("chart_matched"), key: "line-3", pane: 0, time: days, values: unpack(matched && daily.matched.equity), format: growth },
      { label: text("chart_strategy"), key: "line-1", pane: 0, time, values: unpack(curves.equity), format: growth },
      { label: text("chart_drawdown"), key: "loss", pane: 1, time, values: unpack(curves.drawdown).map((depth) => -depth), format: change },
      { label: figure.label, key: "line-2", pane: 2, ...rolling },
    ].filter(({ values }) => values);
    this.main = this.columns.find(({ key }) => key === "line-1");
    this.columns.forEach((column) => this.draw(column));
    this.main.series.priceScale().applyOptions({ mode: this.scaleMode() });
    this.chart.panes().forEach((pane, i) => pane.setStretchFactor(i ? 1 : 2.5));
  }

  draw(column) {
    const priceFormat = { type: "custom", formatter: column.format, minMove: 0.0001 };
    if (column.key === "loss") column.series = this.addDrawdown(priceFormat);
    else column.series = this.addLine(column.key, { priceFormat, ...(column.key === "held" && { lineStyle: 2, lineWidth: 1 }) }, column.pane);
    column.series.setData(points(this.place(column.time), column.values, this.shift));
  }

  /** Return the times of the cells for sorted times; the next cell if one is taken, as both extremes of a bucket are shown. */
  place(times) {
    let last = -1;
    return times.map((time) => this.timeAt(last = Math.max(last + 1, Math.round(this.indexAt(time)))));
  }

  addDrawdown(priceFormat) {
    const { loss, "loss-fill": fill } = this.palette;
    const above = { topLineColor: loss, topFillColor1: "transparent", topFillColor2: "transparent" };
    const below = { bottomLineColor: loss, bottomFillColor1: fill, bottomFillColor2: fill };
    const options = { priceFormat, baseValue: { type: "price", price: 0 }, lineWidth: 1, priceLineVisible: false, lastValueVisible: false };
    return this.chart.addSeries(LightweightCharts.BaselineSeries, { ...options, ...above, ...below }, 1);
  }

  scaleMode() {
    const { Logarithmic, Normal } = LightweightCharts.PriceScaleMode;
    const drawn = this.columns.filter(({ pane }) => pane === 0).flatMap(({ values }) => [...values]);
    const [low, high] = [Math.min, Math.max].map((pick) => drawn.reduce((a, b) => pick(a, b)));
    return low > 0 && high > LOG_SCALE_FROM * low ? Logarithmic : Normal;
  }

  items(at) {
    const shown = ({ time, values, format }) => (time[0] > at ? UNDEFINED : format(values[rowAt(time, at)]));
    return this.columns.map((column) => [column.label, shown(column), column.key]);
  }

  valueAt(time) {
    return this.main.values[rowAt(this.main.time, time)];
  }
}

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

/**
 * A drawing over or under the candles of a view: a primitive of Lightweight Charts. A subclass has `draw(scope)`, which
 * begins with `measure`.
 */
class Overlay {
  constructor(view, zOrder) {
    this.view = view;
    const renderer = { draw: (target) => target.useMediaCoordinateSpace((scope) => this.draw(scope)) };
    this.views = [{ zOrder: () => zOrder, renderer: () => renderer }];
  }

  attached({ requestUpdate }) {
    this.requestUpdate = requestUpdate;
  }

  paneViews() {
    return this.views;
  }

  /** Take the positions of the time scale, and return the times at both edges; null before the chart has a size. */
  measure() {
    const scale = this.view.chart.timeScale();
    this.origin = scale.logicalToCoordinate(0);
    this.spacing = scale.options().barSpacing;
    return this.view.span();
  }

  /** Return the position of a time; the chart itself knows only those of whole bars. */
  x(time) {
    return this.origin + this.view.indexAt(time) * this.spacing;
  }

  y(value) {
    return this.view.main.series.priceToCoordinate(value);
  }
}

/** Candles of a longer timeframe below those of a view, each as wide as its bars. */
class LongerCandles extends Overlay {
  constructor(view, offered) {
    super(view, "bottom");
    this.offered = offered;
    this.candles = null;
    this.note = byId("price-longer");
    this.note.textContent = "";
  }

  /** Draw the candles of a period; no candles if there are none of it. */
  show(period) {
    const found = this.offered.find((candles) => candles.period === period);
    this.candles = found ? Object.fromEntries(PRICES.map((name) => [name, unpack(found[name])])) : null;
    if (found) this.candles.end = [...this.candles.time.subarray(1), this.view.extent[1] + this.view.bar];
    this.requestUpdate();
  }

  draw({ context }) {
    const span = this.candles && this.measure();
    const rows = span ? this.rowsIn(span) : [];
    const narrow = rows.length > 0 && (this.x(this.candles.end[rows.at(-1)]) - this.x(this.candles.time[rows[0]])) / rows.length < MIN_LONGER_WIDTH;
    this.note.textContent = narrow ? text("longer_dense") : "";
    if (!narrow) for (const row of rows) this.drawCandle(context, row);
  }

  rowsIn([from, to]) {
    const first = rowAt(this.candles.time, from), end = countBelow(this.candles.time, to);
    return Array.from({ length: Math.max(end - first, 0) }, (_, i) => first + i);
  }

  /** Draw a body, hollow if the price rose, and the wicks in its middle. */
  drawCandle(context, row) {
    const { time, end, open, high, low, close } = this.candles, { palette } = this.view;
    const fell = close[row] < open[row];
    const left = this.x(time[row]) - this.spacing / 2 + 1, right = this.x(end[row]) - this.spacing / 2 - 1;
    const top = this.y(Math.max(open[row], close[row])), bottom = this.y(Math.min(open[row], close[row])), middle = (left + right) / 2;
    context.fillStyle = palette["loss-fill"];
    if (fell) context.fillRect(left, top, right - left, bottom - top);
    context.strokeStyle = palette[fell ? "loss" : "gain"];
    context.lineWidth = 1;
    context.strokeRect(left, top, right - left, bottom - top);
    context.beginPath();
    context.moveTo(middle, this.y(high[row]));
    context.lineTo(middle, top);
    context.moveTo(middle, bottom);
    context.lineTo(middle, this.y(low[row]));
    context.stroke();
  }
}

/** Trades of a symbol, their fills and stops on top of its candles. */
class TradeMarks extends Overlay {
  constructor(view, trades) {
    super(view, "top");
    this.trades = trades;
    this.note = byId("price-note");
    this.selected = null;
  }

  /** Mark a trade, by its row; null for none. */
  select(row) {
    this.selected = row;
    this.requestUpdate();
  }

  draw({ context, mediaSize }) {
    const span = this.measure();
    if (!span) return;
    const rows = this.trades.within(...span), every = Math.ceil(rows.length / MAX_CONNECTIONS);
    const drawn = every > 1 ? rows.filter((_, i) => i % every === 0) : rows;
    if (this.selected !== null) this.highlight(context, mediaSize.height);
    this.drawStops(context, span);
    this.connect(context, drawn);
    if (rows.length <= MAX_FILLS) this.drawFills(context, rows);
    const key = every > 1 ? "trades_sampled" : rows.length > MAX_FILLS ? "trades_dense" : "trades_in_view";
    this.note.textContent = text(key, { count: count(rows.length), shown: count(drawn.length) });
  }

  /** Shade the selected trade from entry to exit. */
  highlight(context, height) {
    const { entry_time: entry, exit_time: exit } = this.trades.columns;
    const left = this.x(entry[this.selected]), right = this.x(exit[this.selected]);
    context.fillStyle = this.view.palette.highlight;
    context.fillRect(left - 4, 0, right - left + 8, height);
  }

  /** Connect entries and exits: solid lines for gains, dashed ones for losses. */
  connect(context, rows) {
    const { entry_time, exit_time, entry_price, exit_price, net_return } = this.trades.columns;
    for (const [key, dashes] of [["gain", []], ["loss", [4, 3]]]) {
      context.beginPath();
      for (const row of rows) {
        if ((net_return[row] < 0) !== (key === "loss")) continue;
        context.moveTo(this.x(entry_time[row]), this.y(entry_price[row]));
        context.lineTo(this.x(exit_time[row]), this.y(exit_price[row]));
      }
      context.strokeStyle = this.view.palette[key];
      context.lineWidth = 1.5;
      context.setLineDash(dashes);
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** Mark entries from below and exits from above with triangles that touch the price. */
  drawFills(context, rows) {
    const { entry_time, exit_time, entry_price, exit_price, net_return, open_at_end } = this.trades.columns;
    const { entry, gain, loss } = this.view.palette;
    for (const row of rows) {
      this.drawTriangle(context, this.x(entry_time[row]), this.y(entry_price[row]), 1, entry);
      if (open_at_end[row]) continue;
      this.drawTriangle(context, this.x(exit_time[row]), this.y(exit_price[row]), -1, net_return[row] < 0 ? loss : gain);
    }
  }

  drawTriangle(context, x, y, direction, fill) {
    context.beginPath();
    context.moveTo(x, y + 2 * direction);
    context.lineTo(x - 5, y + 11 * direction);
    context.lineTo(x + 5, y + 11 * direction);
    context.closePath();
    context.fillStyle = fill;
    context.fill();
    context.strokeStyle = this.view.palette.paper;
    context.lineWidth = 1;
    context.stroke();
  }

  /** Draw the levels of stops as steps, one per candle with an open position. */
  drawStops(context, [from, to]) {
    if (this.view.loaded.size > 1) return; // a position may be shorter than the merged bars
    const { time } = this.view.candles, half = this.spacing / 2;
    for (const { key, values } of this.view.lines.filter(({ indicator }) => !indicator)) {
      context.beginPath();
      for (let row = rowAt(time, from); row < time.length && time[row] <= to; row++) {
        if (Number.isNaN(values[row])) continue;
        const x = this.x(time[row]), y = this.y(values[row]);
        context.moveTo(x - half, y);
        context.lineTo(x + half, y);
      }
      context.strokeStyle = this.view.palette[key];
      context.lineWidth = 2;
      context.stroke();
    }
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

/** Views by the ID of their element that show the same time; the one that the user moves leads. */
class LinkedViews {
  constructor(ids) {
    this.views = new Map();
    this.leader = null;
    for (const id of ids) {
      for (const event of ["pointerenter", "pointerdown", "focus"]) byId(id).addEventListener(event, () => { this.leader = id; });
      byId(id).addEventListener("keydown", (event) => this.press(event));
    }
  }

  get(id) {
    return this.views.get(id);
  }

  get all() {
    return [...this.views.values()];
  }

  /** Replace a view. */
  set(id, view) {
    this.remove(id);
    this.views.set(id, view);
    view.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.follow(id));
    view.chart.subscribeCrosshairMove(({ logical, point }) => this.point(id, point && logical));
    view.describe(view.extent[1]);
  }

  remove(id) {
    this.views.get(id)?.remove();
    this.views.delete(id);
  }

  /** Let the other views show what the leader shows. */
  follow(id) {
    const span = this.leader === id && this.views.get(id).span();
    if (!span) return;
    for (const [other, view] of this.views) if (other !== id) view.show(span);
  }

  /** Describe the time below the pointer in all legends and move the other crosshairs; without a pointer, the last time. */
  point(id, logical) {
    if (this.leader !== id) return;
    const pointed = logical !== undefined, [first, last] = this.extent();
    const time = pointed ? clamp(this.views.get(id).timeAt(logical), first, last) : last;
    for (const [other, view] of this.views) {
      view.describe(time);
      if (other === id) continue;
      if (!pointed) view.chart.clearCrosshairPosition();
      else view.chart.setCrosshairPosition(view.valueAt(time), view.timeAt(Math.round(view.indexAt(time))) + view.shift, view.main.series);
    }
  }

  /** Show a span of time in all views. */
  show(span) {
    this.leader = null;
    for (const view of this.all) view.show(span);
  }

  /** Return the span of the data. */
  extent() {
    const extents = this.all.map(({ extent }) => extent);
    return [Math.min(...extents.map(([first]) => first)), Math.max(...extents.map(([, last]) => last))];
  }

  /** Move and zoom with the keyboard. */
  press(event) {
    const span = this.views.get(event.currentTarget.id).span(), width = span[1] - span[0];
    const [first, last] = this.extent();
    const moved = {
      ArrowLeft: () => [span[0] - width / 10, span[1] - width / 10],
      ArrowRight: () => [span[0] + width / 10, span[1] + width / 10],
      "+": () => [span[0] + width / 6, span[1] - width / 6],
      "-": () => [span[0] - width / 4, span[1] + width / 4],
      Home: () => [first, first + width],
      End: () => [last - width, last],
      0: () => [first, last],
    }[event.key === "=" ? "+" : event.key];
    if (!moved || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.show(moved());
  }
}
