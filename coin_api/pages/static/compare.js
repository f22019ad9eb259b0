// The equity of the compared results in one chart, with the values at the crosshair in the legend.

const curves = JSON.parse(document.getElementById("curves").textContent);
const element = document.getElementById("comparison");
const outputs = document.querySelectorAll(".legend output");
const { createChart, LineSeries, LineStyle, CrosshairMode } = LightweightCharts;
const STYLES = [LineStyle.Solid, LineStyle.Dashed, LineStyle.LargeDashed, LineStyle.Dotted, LineStyle.SparseDotted];
const STEP = 0.1; // share of the visible range by which a key moves or zooms

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Return the options whose colours depend on the theme. */
const themed = () => ({
  layout: { background: { color: colour("--paper") }, textColor: colour("--muted"), attributionLogo: false },
  grid: { vertLines: { color: colour("--grid") }, horzLines: { color: colour("--grid") } },
  rightPriceScale: { borderColor: colour("--line") },
  timeScale: { borderColor: colour("--line"), timeVisible: true, minBarSpacing: 0.001 },
});

const chart = createChart(element, {
  autoSize: true,
  crosshair: { mode: CrosshairMode.Normal },
  handleScroll: { vertTouchDrag: false }, // a finger that moves up scrolls the page
  localization: { locale: document.documentElement.lang },
  ...themed(),
});
const lines = curves.map((curve, i) => {
  const line = chart.addSeries(LineSeries, { color: colour(`--line-${i + 1}`), lineStyle: STYLES[i], lineWidth: 2 });
  line.setData(curve ? curve.time.map((time, row) => ({ time, value: curve.equity[row] })) : []);
  return line;
});
chart.timeScale().fitContent();

/** Show the values at a time; without one, the last values. */
function showValues(values) {
  curves.forEach((curve, i) => {
    const value = values?.get(lines[i])?.value ?? (values ? undefined : curve?.equity.at(-1));
    outputs[i].textContent = value === undefined ? "" : value.toFixed(4);
  });
}
showValues(null);
chart.subscribeCrosshairMove(({ time, seriesData }) => showValues(time === undefined ? null : seriesData));

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  chart.applyOptions(themed());
  lines.forEach((line, i) => line.applyOptions({ color: colour(`--line-${i + 1}`) }));
});

element.addEventListener("keydown", (event) => {
  const scale = chart.timeScale();
  const range = scale.getVisibleLogicalRange();
  const step = range ? STEP * (range.to - range.from) : 0;
  const [from, to] = { ArrowLeft: [-step, -step], ArrowRight: [step, step], "+": [step, -step], "-": [-step, step] }[event.key] ?? [0, 0];
  if (!from) return;
  event.preventDefault();
  scale.setVisibleLogicalRange({ from: range.from + from, to: range.to + to });
});
