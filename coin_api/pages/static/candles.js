// Forms that fetch candles from an exchange and upload a candle file.
import { clearProblems, send, showProblems } from "./forms.js";

const page = document.getElementById("candle-forms").dataset;
const mediaTypes = JSON.parse(page.mediaTypes);

/** Let a form send its request; show its problems, or pass the answer on. */
function handle(form, request, show) {
  const button = form.querySelector('[type="submit"]');
  const problem = form.querySelector(".problem");
  const status = form.querySelector(".status");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    button.disabled = true;
    status.textContent = page.sending;
    try {
      const { ok, body } = await request(new FormData(form));
      status.textContent = "";
      if (ok) show(body, status);
      else showProblems(body.errors?.length ? body.errors : [{ field: "", message: body.detail }], page.invalid, problem);
    } catch {
      status.textContent = "";
      showProblems([], page.unreachable, problem);
    } finally {
      button.disabled = false;
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

async function upload(values) {
  const file = values.get("file");
  const query = new URLSearchParams({ timeframe: values.get("timeframe") });
  if (values.get("tz")) query.set("tz", values.get("tz"));
  const suffix = /\.[^.]*$/.exec(file.name.toLowerCase())?.[0];
  const symbol = encodeURIComponent(values.get("symbol").trim() || "-"); // an empty one would be another path
  const response = await fetch(`/api/candles/${symbol}/upload?${query}`, {
    method: "POST",
    headers: { "Content-Type": mediaTypes[suffix] ?? "application/octet-stream" },
    body: file,
  });
  return { ok: response.ok, body: await response.json() };
}

handle(document.getElementById("fetch"), refresh, ({ task_id }) => location.assign(`/app/tasks/${task_id}`));
handle(document.getElementById("upload"), upload, (report, status) => {
  status.textContent = page.uploaded.replace(/\{(\w+)\}/g, (_, name) => report[name].toLocaleString("en"));
});
