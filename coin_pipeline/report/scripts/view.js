"use strict";
// What the charts have in common: equal cells of time, colours, a legend, and that they show the same time.

// Those that differ most from the markers of entries and the levels of stops first.
const LINE_COLOURS = ["line-5", "line-3", "line-6", "line-2", "line-4", "line-1"];
const COLOURS = [...LINE_COLOURS, "paper", "muted", "line", "grid", "held", "gain", "loss", "loss-fill", "volume", "entry",
                 "highlight", "shade", "stop-loss", "take-profit", "trailing-stop"];

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
      rightPriceScale: { borderColor: line, minimumWidth: 96, // equal, so that the linked time axes are aligned
                         entireTextOnly: true }, // a label at the edge would be cut off
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
