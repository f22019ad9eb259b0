// Forms that fetch candles from an exchange and upload a candle file, and the list of what is stored.
import { clearProblems, ERRORS_IN_LANGUAGE, send, showProblems } from "./forms.js";
import { keepForm, restoreForm, watchForm } from "./kept_form.js";
import { columnsOf, forgetColumns, headerOf, listColumns } from "./upload_columns.js";

const page = document.getElementById("candle-forms").dataset;
const mediaTypes = JSON.parse(page.mediaTypes);
const report = document.getElementById("report");
const confirmation = document.getElementById("confirm");

/** What the form to upload has sent; null if it was edited since then. An agreement sends it again, as it was. */
let sent = null;

/** Let a form send its request; show its problems, or pass the answer on. */
function handle(form, request, show, { prepare = () => {}, read = (button) => new FormData(form, button) } = {}) {
  const buttons = form.querySelectorAll('[type="submit"]');
  const problem = form.querySelector(".problem");
  const status = form.querySelector(".status");
  restoreForm(form);
  watchForm(form, () => keepForm(form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    const values = read(event.submitter);
    for (const button of buttons) button.disabled = true;
    status.textContent = page.sending;
    try {
      const { ok, body } = await request(values);
      status.textContent = "";
      prepare(body);
      if (ok) await show(body, status, values);
      else showProblems(body.errors?.length ? body.errors : [{ field: "", message: body.detail, lang: body.lang }], page.invalid, problem);
    } catch {
      status.textContent = "";
      showProblems([], page.unreachable, problem);
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  });
}

/** Queue a fetch, whose progress is on the page of its task. */
function refresh(values) {
  return send("POST", "/api/candles/refresh", {
    symbols: values.get("symbols").split(",").map((name) => name.trim()).filter(Boolean),
    timeframes: values.getAll("timeframes"),
    start: values.get("start") || null,
    end: values.get("end") || null,
    exchange: values.get("exchange"),
  });
}

/** Return what to send: what is in the form, or what the question was about. */
function readUpload(button) {
  if (button.name === "overwrite") sent.set("overwrite", button.value);
  else sent = new FormData(form, button);
  return sent;
}

/** Return whether a file is still as it was chosen; a browser does not read it otherwise. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Return why a file cannot be sent, as the API would. */
async function refusals(file, mediaType, symbol) {
  const problems = [];
  if (!(await isReadable(file))) problems.push({ field: "file", message: page.changedFile });
  else if (!mediaType) problems.push({ field: "file", message: file.name ? page.unknownFile : page.noFile });
  if (!symbol) problems.push({ field: "symbol", message: page.noSymbol });
  return problems.map((problem) => ({ ...problem, lang: document.documentElement.lang }));
}

/** Store a file, check it, or ask before stored candles are overwritten: unless the user agreed to these, the API stores nothing then. */
async function upload(values) {
  const file = values.get("file");
  const mediaType = mediaTypes[/\.[^.]*$/.exec(file.name.toLowerCase())?.[0]];
  const symbol = values.get("symbol").trim();
  const errors = await refusals(file, mediaType, symbol);
  if (errors.length) return { ok: false, body: { errors } };
  const query = new URLSearchParams({ timeframe: values.get("timeframe"), stamps: values.get("stamps"), replace: "false" });
  const optional = { tz: values.get("tz"), columns: columnsOf(values), dry_run: values.get("dry_run"), overwrite: values.get("overwrite") };
  for (const [name, value] of Object.entries(optional)) if (value) query.set(name, value);
  const response = await fetch(`/api/candles/${encodeURIComponent(symbol)}/upload?${query}`, {
    method: "POST",
    headers: { "Content-Type": mediaType, ...ERRORS_IN_LANGUAGE },
    body: file,
  });
  const body = await response.json();
  for (const error of body.errors ?? []) if (error.field === "candles") error.field = "file";
  return { ok: response.ok, body };
}

const count = (number) => number.toLocaleString("en");
const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const seoul = (instant) => new Date(instant).toLocaleString("sv-SE", { timeZone: "Asia/Seoul" }).slice(0, 16);

/** Ask before stored candles are overwritten, with what the check noticed. */
function askToReplace(body) {
  const counts = Object.fromEntries(["added", "replaced", "removed"].map((name) => [name, count(body[name])]));
  const days = { overwritten_first: seoul(body.overwritten_first), overwritten_last: seoul(body.overwritten_last) };
  document.getElementById("confirm-question").textContent = fill(page.replace, { ...counts, ...days });
  document.getElementById("confirm-notes").textContent = body.notes.join("\n");
  document.getElementById("confirm-overwrite").value = body.overwritten_sha256;
  confirmation.hidden = false;
  confirmation.focus();
}

/** Show how a file was understood, and list the series in which it was stored, or ask before it is. */
async function showReport(body, status, values) {
  if (body.dry_run && values !== sent) {
    status.textContent = page.edited;
    return;
  }
  const asks = body.dry_run && !values.get("dry_run");
  const removed = body.removed ? count(body.removed) : "";
  const texts = {
    series: `${body.symbol} ${body.timeframe}`,
    period: `${seoul(body.first)} – ${seoul(body.last)}`,
    layout: body.layout,
    columns: body.columns.filter(({ field }) => field).map(({ field, text }) => `${field} = ${text}`).join(", "),
    zone: body.zone,
    left_out: Object.entries(body.left_out).map(([reason, rows]) => fill(page.leftOut, { count: count(rows), reason })).join("; "),
    removed: body.dry_run ? "" : removed,
    would_remove: body.dry_run ? removed : "",
    notes: asks ? "" : body.notes.join("\n"),
  };
  for (const [name, text] of Object.entries(texts)) {
    const slot = report.querySelector(`[data-slot="${name}"]`);
    slot.textContent = text;
    slot.parentElement.hidden = text === "";
  }
  report.hidden = false;
  if (asks) {
    askToReplace(body);
    return;
  }
  const counts = Object.fromEntries(["added", "replaced", "removed", "unchanged"].map((name) => [name, count(body[name])]));
  status.textContent = fill(body.dry_run ? page.checked : page.uploaded, counts);
  if (!body.dry_run) await updateInventory();
}

/** Read the page again, and replace the list of series if it has changed. */
async function updateInventory() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(String(response.status));
  const newer = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("inventory");
  const shown = document.getElementById("inventory");
  if (newer.textContent !== shown.textContent) shown.replaceWith(document.adoptNode(newer));
}

/** Update the list when the page is seen again: meanwhile a task may have fetched candles. */
async function updateSeen() {
  if (document.visibilityState !== "visible") return;
  const problem = document.getElementById("problem");
  try {
    await updateInventory();
    problem.hidden = true;
  } catch {
    problem.textContent = page.unreachable;
    problem.hidden = false;
  }
}

handle(document.getElementById("fetch"), refresh, ({ task_id }) => location.assign(`/app/tasks/${task_id}`));
const form = document.getElementById("upload");
const hideOutcome = () => {
  report.hidden = confirmation.hidden = true;
};
const prepareUpload = ({ columns }) => {
  hideOutcome();
  if (columns && sent) listColumns(form, columns);
};
handle(form, upload, showReport, { prepare: prepareUpload, read: readUpload });
form.addEventListener("input", () => {
  sent = null; // an answer is about other choices
  hideOutcome();
});
document.getElementById("confirm-back").addEventListener("click", () => {
  hideOutcome();
  form.querySelector('[type="submit"]:not([name])').focus();
});
let header = null;
document.getElementById("field-file").addEventListener("change", async ({ target }) => {
  const chosen = target.files[0];
  const newer = chosen ? await headerOf(chosen) : header;
  forgetColumns(form, header !== null && newer !== header);
  header = newer;
});
document.addEventListener("visibilitychange", updateSeen);
addEventListener("pageshow", ({ persisted }) => persisted && updateSeen());
