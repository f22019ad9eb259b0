"use strict";
// The table of trades and returns by day, week, month or year.

const PERIOD_COLUMNS = ["first_day", "trades", "wins", "losses", "profit", "net_return"];
const LABEL_LENGTHS = { day: 10, week: 10, month: 7, year: 4 }; // of a date in ISO 8601
const FIRST_SHOWN = "month";

/** Trades and returns of the periods of the chosen length, the newest first. */
class PeriodTable {
  /** @param tables Tables of the report's data, one for each length of period. */
  constructor(tables) {
    this.tables = tables;
    this.select = byId("period");
    this.select.append(...tables.map(({ period }) => make("option", { value: period }, text(`period_${period}`))));
    this.select.value = FIRST_SHOWN;
    this.select.addEventListener("change", () => this.draw());
    this.draw();
  }

  draw() {
    const table = this.tables[this.select.selectedIndex];
    const columns = Object.fromEntries(PERIOD_COLUMNS.map((name) => [name, unpack(table[name])]));
    const rows = Array.from(columns.first_day, (_, row) => this.makeRow(table.period, columns, row));
    byId("periods-body").replaceChildren(...rows.reverse());
    byId("periods-note").textContent = table.left_out ? text("periods_cut", { count: count(table.left_out) }) : "";
  }

  makeRow(period, { first_day: day, trades, wins, losses, profit, net_return: net }, row) {
    const number = (value, side = "") => make("td", { className: `n ${side}` }, value);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, isoTime(DAY * day[row]).slice(0, LABEL_LENGTHS[period])),
      ...[trades, wins, losses].map((values) => number(count(values[row]))),
      ...(profit ? [number(amount(profit[row]), sideOf(profit[row]))] : []),
      number(`${arrowOf(net[row])} ${change(net[row])}`, sideOf(net[row])),
    );
  }
}
