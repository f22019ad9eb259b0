"use strict";
// The chart of the account: equity, drawdown and a rolling figure.

const MIN_CELLS = 6000; // of the account, if it has more bars: room for the extremes of each bucket of its curves
const MAX_MOVED = 6; // cells: the rows that a bucket has at most, which are about a pixel apart
const LOG_SCALE_FROM = 10; // highest over lowest equity
/** A drawdown is drawn below zero and written without a sign, as everywhere; there is none above zero. */
const depth = (value) => (value > 0 ? "" : share(-value));
const ROLLING_FORMATS = { sharpe: ratio, sortino: ratio, volatility: share, beta: ratio };

/** Equity against buying and holding, drawdown and a rolling figure, in panes of one chart. */
class AccountView extends View {
  /**
   * @param element Element of the chart.
   * @param data Data of the report.
   * @param figure Key and label of the rolling figure, which is shown if the data has it.
   * @param matched Whether to show the equity at the volatility of buying and holding.
   * @param shades Spans of time to shade.
   */
  constructor(element, { curves, daily, bar_seconds: bar }, figure, matched, shades) {
    super(element);
    const time = unpack(curves.time);
    this.extent = [time[0], time.at(-1)];
    // Bars of different symbols may open at different times, such as days in UTC and days in Seoul.
    const step = time.reduce((least, at, row) => (row ? Math.min(least, at - time[row - 1]) : least), bar);
    const bars = Math.round((time.at(-1) - time[0]) / step) + 1, size = Math.max(1, Math.floor(bars / MIN_CELLS));
    this.setGrid(time[0], size * step, Math.ceil(bars / size));
    const growth = (value) => change(value - 1);
    const byDay = this.dailyColumns(unpack(daily.time));
    const rolling = { ...byDay(daily.rolling && daily.rolling[figure.key]), format: ROLLING_FORMATS[figure.key] };
    this.columns = [
      { label: text("chart_held"), key: "held", pane: 0, time, values: unpack(curves.buy_and_hold), format: growth },
      { label: text("chart_matched"), key: "line-3", pane: 0, ...byDay(matched && daily.matched.equity), format: growth },
      { label: text("chart_strategy"), key: "line-1", pane: 0, time, values: unpack(curves.equity), format: growth },
      { label: text("chart_drawdown"), key: "loss", pane: 1, time, values: unpack(curves.drawdown).map((fall) => -fall), format: depth },
      { label: figure.label, key: "line-2", pane: 2, ...rolling },
    ].filter(({ values }) => values);
    this.main = this.columns.find(({ key }) => key === "line-1");
    this.columns.forEach((column) => this.draw(column));
    this.main.series.priceScale().applyOptions({ mode: this.scaleMode() });
    this.main.series.attachPrimitive(new Shades(this, shades));
    this.chart.panes().forEach((pane, i) => pane.setStretchFactor(i ? 1 : 2.5));
  }

  /** Return a function that unpacks columns of some days. Of several days in one cell, they have the last. */
  dailyColumns(days) {
    const cells = Array.from(days, (time) => Math.round(this.indexAt(time)));
    const rows = [...cells.keys()].filter((row) => cells[row] !== cells[row + 1]);
    const time = Float64Array.from(rows, (row) => days[row]);
    return (column) => {
      const values = unpack(column);
      return { time, values: values && Float64Array.from(rows, (row) => values[row]) };
    };
  }

  draw(column) {
    const priceFormat = { type: "custom", formatter: column.format, minMove: 0.0001 };
    if (column.key === "loss") column.series = this.addDrawdown(priceFormat);
    else column.series = this.addLine(column.key, { priceFormat, ...(column.key === "held" && { lineStyle: 2, lineWidth: 1 }) }, column.pane);
    column.series.setData(this.place(column.time, column.values));
  }

  /**
   * Return points in the cells of their times; in the next cell if one is taken, as all extremes of a bucket are shown.
   * A point that would be moved by more than a bucket is left out, so that all others are at their time.
   */
  place(times, values) {
    const placed = [], kept = [];
    let last = -1;
    times.forEach((time, row) => {
      const nearest = Math.round(this.indexAt(time)), cell = Math.max(last + 1, nearest);
      if (cell - nearest > MAX_MOVED) return;
      placed.push(this.timeAt(last = cell));
      kept.push(values[row]);
    });
    return points(placed, kept, this.shift);
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
