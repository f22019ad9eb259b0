// Forms that fetch candles from an exchange and upload a candle file, and the list of what is stored.
import { clearProblems, ERRORS_IN_LANGUAGE, send, showProblems } from "./forms.js";
import { keepForm, restoreForm, watchForm } from "./kept_form.js";
import { columnsOf, forgetColumns, listColumns } from "./upload_columns.js";

const page = document.getElementById("candle-forms").dataset;
const mediaTypes = JSON.parse(page.mediaTypes);
const report = document.getElementById("report");

/** Let a form send its request; show its problems, or pass the answer on. */
function handle(form, request, show, prepare = () => {}) {
  const buttons = form.querySelectorAll('[type="submit"]');
  const problem = form.querySelector(".problem");
  const status = form.querySelector(".status");
  restoreForm(form);
  watchForm(form, () => keepForm(form));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    const values = new FormData(form, event.submitter);
    for (const button of buttons) button.disabled = true;
    status.textContent = page.sending;
    try {
      const { ok, body } = await request(values);
      status.textContent = "";
      prepare(body);
      if (ok) await show(body, status);
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

/** Return why a file cannot be sent, as the API would; null if it can. */
function refusal(file, mediaType) {
  if (file.name && mediaType) return null;
  return { ok: false, body: { errors: [{ field: "file", message: file.name ? page.unknownFile : page.noFile }] } };
}

async function upload(values) {
  const file = values.get("file");
  const mediaType = mediaTypes[/\.[^.]*$/.exec(file.name.toLowerCase())?.[0]];
  const refused = refusal(file, mediaType);
  if (refused) return refused;
  const query = new URLSearchParams({ timeframe: values.get("timeframe"), stamps: values.get("stamps") });
  const optional = { tz: values.get("tz"), columns: columnsOf(values), dry_run: values.get("dry_run") };
  for (const [name, value] of Object.entries(optional)) if (value) query.set(name, value);
  const symbol = encodeURIComponent(values.get("symbol").trim() || "-"); // an empty one would be another path
  const response = await fetch(`/api/candles/${symbol}/upload?${query}`, {
    method: "POST",
    headers: { "Content-Type": mediaType, ...ERRORS_IN_LANGUAGE },
    body: file,
  });
  const body = await response.json();
  for (const error of body.errors ?? []) if (error.field === "candles") error.field = "file";
  return { ok: response.ok, body };
}

const count = (number) => number.toLocaleString("en");
const seoul = (instant) => new Date(instant).toLocaleString("sv-SE", { timeZone: "Asia/Seoul" }).slice(0, 16);

/** Show how a file was understood, and list the series in which it was stored. */
async function showReport(body, status) {
  const texts = {
    series: `${body.symbol} ${body.timeframe}`,
    period: `${seoul(body.first)} – ${seoul(body.last)}`,
    layout: body.layout,
    columns: body.columns.filter(({ field }) => field).map(({ field, text }) => `${field} = ${text}`).join(", "),
    zone: body.zone,
    left_out: Object.entries(body.left_out).map(([reason, rows]) => `${count(rows)} ${reason}`).join("; "),
    removed: body.removed ? count(body.removed) : "",
    notes: body.notes.join("; "),
  };
  for (const [name, text] of Object.entries(texts)) {
    const slot = report.querySelector(`[data-slot="${name}"]`);
    slot.textContent = text;
    slot.parentElement.hidden = text === "";
  }
  report.hidden = false;
  status.textContent = (body.dry_run ? page.checked : page.uploaded).replace(/\{(\w+)\}/g, (_, name) => count(body[name]));
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
handle(form, upload, showReport, ({ columns }) => {
  report.hidden = true;
  if (columns) listColumns(form, columns);
});
document.getElementById("field-file").addEventListener("change", () => {
  report.hidden = true;
  forgetColumns(form);
});
document.addEventListener("visibilitychange", updateSeen);
addEventListener("pageshow", ({ persisted }) => persisted && updateSeen());
