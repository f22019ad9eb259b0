"use strict";
// The table of trades: of any number only the rows in view exist. Sorted by its headers, filtered by its form.

const ROW_HEIGHT = 30; // px, as in report.css
const ROWS_AROUND = 10; // rows that exist above and below those in view
const MAX_PRINTED = 500;

class TradeTable {
  /**
   * @param data Data of the report.
   * @param trades Its unpacked trades.
   * @param onSelect Called with the row of a trade that the user wants to see in the chart.
   */
  constructor(data, trades, onSelect) {
    this.data = data;
    this.trades = trades;
    this.onSelect = onSelect;
    this.box = byId("trades-box");
    this.body = byId("trades-body");
    this.sorted = { column: "number", direction: 1 };
    this.columns = this.describeColumns();
    this.fillFilters();
    this.writeHeader();
    this.box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.box);
    byId("trades-csv").addEventListener("click", () => this.download());
    addEventListener("beforeprint", () => this.drawRows(0, Math.min(this.rows.length, MAX_PRINTED)));
    addEventListener("afterprint", () => this.draw());
    this.update();
  }

  /** Return label, values and format of each column. */
  describeColumns() {
    const { trades, data } = this, names = data.names, column = (values, format, options = {}) => ({ values, format, ...options });
    return {
      number: column(Float64Array.from({ length: trades.length }, (_, i) => i + 1), count, { numeric: true }),
      ...(names.length > 1 && { symbol: column(trades.symbol, (value) => names[value], { rank: (value) => names[value] }) }),
      entry_time: column(trades.entry_time, shortTime),
      exit_time: column(trades.exit_time, shortTime),
      reason: column(trades.reason, (value) => this.reasonText(value)),
      entry_price: column(trades.entry_price, price, { numeric: true }),
      exit_price: column(trades.exit_price, price, { numeric: true }),
      bars_held: column(trades.bars_held, count, { numeric: true }),
      net_return: column(trades.net_return, (value) => `${arrowOf(value)} ${change(value)}`, { numeric: true, signed: true }),
      ...(trades.profit && { profit: column(trades.profit, amount, { numeric: true, signed: true }) }),
    };
  }

  reasonText(value) {
    return text(this.trades.reasons[value]);
  }

  /** Offer the symbols and reasons that the trades have. */
  fillFilters() {
    const { symbol, reason } = this.form = byId("trades-filter").elements;
    this.data.names.forEach((name, i) => symbol.append(make("option", { value: i }, name)));
    symbol.closest("label").hidden = this.data.names.length < 2;
    for (const value of new Set(this.trades.reason)) reason.append(make("option", { value }, this.reasonText(value)));
    byId("trades-filter").addEventListener("input", () => this.update());
    byId("trades-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  writeHeader() {
    const cells = Object.entries(this.columns).map(([name, { numeric }]) => {
      const button = make("button", { type: "button" }, text(`trade_${name}`));
      button.addEventListener("click", () => this.sortBy(name));
      return make("th", { className: numeric ? "n" : "", scope: "col", id: `trade-${name}` }, button);
    });
    byId("trades-head").replaceChildren(...cells);
  }

  /** Sort by a column; the other way round if it is sorted by it already. */
  sortBy(column) {
    const again = this.sorted.column === column;
    this.sorted = { column, direction: again ? -this.sorted.direction : this.columns[column].signed ? -1 : 1 };
    this.update();
  }

  /** Apply filter and order, and show the first rows. */
  update() {
    const { symbol, net_return: net, reason } = this.trades, { form, sorted } = this;
    const wanted = [[form.symbol.value, symbol], [form.reason.value, reason]].filter(([value]) => value !== "");
    const outcome = form.outcome.value;
    this.rows = Array.from({ length: this.trades.length }, (_, i) => i).filter(
      (i) => wanted.every(([value, column]) => column[i] === Number(value)) && (!outcome || sideOf(net[i]) === outcome),
    );
    const { values, rank = (value) => value } = this.columns[sorted.column];
    const keys = Array.from(values, rank), order = (a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0);
    this.rows.sort((a, b) => sorted.direction * order(a, b) || a - b);
    for (const name of Object.keys(this.columns)) this.markSorted(name);
    const key = this.trades.total > this.trades.length ? "trades_cut" : "trades_count";
    const counts = { count: count(this.rows.length), rows: count(this.trades.length), total: count(this.trades.total) };
    byId("trades-count").textContent = text(key, counts);
    this.box.scrollTop = 0;
    this.draw();
  }

  markSorted(name) {
    const header = byId(`trade-${name}`), { column, direction } = this.sorted;
    if (name === column) header.ariaSort = direction > 0 ? "ascending" : "descending";
    else header.ariaSort = null;
  }

  /** Draw the rows in view. */
  draw() {
    const first = Math.max(Math.floor(this.box.scrollTop / ROW_HEIGHT) - ROWS_AROUND, 0);
    this.drawRows(first, Math.min(first + Math.ceil(this.box.clientHeight / ROW_HEIGHT) + 2 * ROWS_AROUND, this.rows.length));
  }

  drawRows(first, end) {
    byId("trades-table").ariaRowCount = this.rows.length + 1;
    const rows = this.rows.slice(first, end).map((row, i) => this.makeRow(row, first + i));
    this.body.replaceChildren(this.makeSpace(first), ...rows, this.makeSpace(this.rows.length - end));
  }

  /** Return a row that takes the space of rows that do not exist. */
  makeSpace(rows) {
    const cell = make("td", { colSpan: Object.keys(this.columns).length });
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    return make("tr", { className: "space", hidden: rows === 0, ariaHidden: "true" }, cell);
  }

  makeRow(row, position) {
    const cells = Object.entries(this.columns).map(([name, { values, format, numeric, signed }]) => {
      const value = values[row], side = signed ? ` ${sideOf(value)}` : "";
      const cell = make("td", { className: `${numeric ? "n" : ""}${side}` });
      if (name === "number") cell.append(this.makeNumber(row));
      else cell.append(format(value));
      if (name === "exit_time" && this.trades.open_at_end[row]) cell.append(make("sup", {}, text("open")));
      return cell;
    });
    return make("tr", { ariaRowIndex: position + 2 }, ...cells);
  }

  makeNumber(row) {
    const button = make("button", { type: "button", title: text("show_trade"), ariaLabel: `${text("show_trade")}: ${row + 1}` }, count(row + 1));
    button.addEventListener("click", () => this.onSelect(row));
    return button;
  }

  /** Download the rows of the table as CSV, with the columns, numbers and order of the CSV file of the API. */
  download() {
    const { trades, data } = this;
    const values = {
      symbol: (i) => csvText(data.names[trades.symbol[i]]),
      entry_time: (i) => zonedTime(trades.entry_time[i]),
      exit_time: (i) => zonedTime(trades.exit_time[i]),
      entry_price: (i) => csvNumber(trades.entry_price[i]),
      exit_price: (i) => csvNumber(trades.exit_price[i]),
      return_pct: (i) => csvNumber(trades.net_return[i]),
      bars_held: (i) => trades.bars_held[i],
      exit_reason: (i) => csvText(trades.reasons[trades.reason[i]]),
      open_at_end: (i) => Boolean(trades.open_at_end[i]),
      spent: (i) => (trades.spent ? csvNumber(trades.spent[i]) : ""),
      profit: (i) => (trades.profit ? csvNumber(trades.profit[i]) : ""),
    };
    const rows = [...this.rows].sort((a, b) => trades.symbol[a] - trades.symbol[b] || a - b);
    const columns = data.csv_columns.map((name) => values[name]);
    const lines = rows.map((row) => columns.map((value) => value(row)).join(","));
    const url = URL.createObjectURL(new Blob([[data.csv_columns.join(","), ...lines, ""].join("\n")], { type: "text/csv" }));
    make("a", { href: url, download: `trades-${data.run_id}.csv` }).click();
    URL.revokeObjectURL(url);
  }
}

const csvNumber = (value) => (Number.isNaN(value) ? "" : value);

/** Quote a text for CSV; a spreadsheet would run one that begins like a formula. */
const csvText = (value) => `"${/^[=+\-@\t\r]/.test(value) ? "'" : ""}${value.replaceAll('"', '""')}"`;
