"use strict";
// Drawings over and under the curves and candles of the charts.

const MAX_FILLS = 400; // more entries and exits in view would hide the candles
const MAX_CONNECTIONS = 4000; // trades drawn per frame, so that panning stays smooth
const MIN_LONGER_WIDTH = 4; // px of a candle of a longer timeframe
const PRICES = ["time", "open", "high", "low", "close"];

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

/** Spans of time that are shaded below the curves of a view. */
class Shades extends Overlay {
  constructor(view, spans) {
    super(view, "bottom");
    this.spans = spans;
  }

  draw({ context, mediaSize }) {
    if (!this.measure()) return;
    context.fillStyle = this.view.palette.shade;
    for (const [from, to] of this.spans) context.fillRect(this.x(from), 0, this.x(to) - this.x(from), mediaSize.height);
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
