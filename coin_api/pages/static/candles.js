// Forms that fetch candles from an exchange and upload a candle file, with the progress of a fetch.

const texts = JSON.parse(document.getElementById("candle-texts").textContent);
const mediaTypes = JSON.parse(document.getElementById("media-types").textContent);
const POLL_MS = 2000;

/** Fill the placeholders of a text. */
const write = (name, values = {}) => texts[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);

/** Show errors next to their fields, and those without a field in the status line. */
function showErrors(form, problem) {
  form.querySelectorAll(".error").forEach((element) => element.remove());
  form.querySelectorAll("[aria-invalid]").forEach((element) => element.removeAttribute("aria-invalid"));
  const rest = [];
  for (const { field, message } of problem?.errors ?? []) {
    const input = form.querySelector(`[name="${CSS.escape(field.split(".")[0])}"]`);
    if (!input) {
      rest.push(`${field} ${message}`);
      continue;
    }
    const error = document.createElement("p");
    error.className = "error";
    error.textContent = message;
    (input.closest("fieldset") ?? input.parentElement).append(error);
    input.setAttribute("aria-invalid", "true");
  }
  const status = form.querySelector(".status");
  status.textContent = problem?.errors?.length && !rest.length ? "" : [problem?.detail, ...rest].find(Boolean) ?? "";
  form.querySelector("[aria-invalid]")?.focus();
}

/** Send a request; return the parsed answer, or null after its errors are shown. */
async function send(form, url, init) {
  const status = form.querySelector(".status");
  status.textContent = write("sending");
  try {
    const response = await fetch(url, { method: "POST", ...init });
    const answer = await response.json();
    showErrors(form, response.ok ? null : answer);
    return response.ok ? answer : null;
  } catch {
    status.textContent = write("offline");
    return null;
  }
}

/** Follow a task by events, or by polling where the connection does not carry them. */
function follow(url, show) {
  const events = new EventSource(`${url}/events`);
  events.addEventListener("status", ({ data }) => {
    if (show(JSON.parse(data))) events.close();
  });
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) poll(url, show);
  });
}

async function poll(url, show) {
  try {
    const response = await fetch(url);
    if (response.ok && show(await response.json())) return;
  } catch {
    // The server may come back.
  }
  setTimeout(poll, POLL_MS, url, show);
}

const fetchForm = document.getElementById("fetch");
const fetchStatus = fetchForm.querySelector(".status");
const cancel = fetchForm.querySelector(".cancel");
let task = null;

/** Show the state of a fetch; return whether it has ended. */
function showFetch(state) {
  const failed = state.series.filter(({ error }) => error).map(({ symbol, error }) => `${symbol}: ${error}`);
  fetchStatus.textContent = write(state.status, {
    percent: `${Math.floor(100 * state.progress)}%`,
    error: failed.join("; ") || state.error,
  });
  cancel.hidden = state.finished_at !== null;
  return state.finished_at !== null;
}

fetchForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(fetchForm);
  const body = {
    symbols: values.get("symbols").split(",").map((name) => name.trim()).filter(Boolean),
    timeframes: values.getAll("timeframes"),
    start: values.get("start") || null,
    end: values.get("end") || null,
    exchange: values.get("exchange"),
  };
  const answer = await send(fetchForm, "/api/candles/refresh", {
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer) return;
  task = answer.status_url;
  fetchStatus.textContent = write("queued");
  cancel.hidden = false;
  follow(task, showFetch);
});

cancel.addEventListener("click", () => send(fetchForm, `${task}/cancel`, {}));

const uploadForm = document.getElementById("upload");

uploadForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(uploadForm);
  const file = values.get("file");
  const query = new URLSearchParams({ timeframe: values.get("timeframe") });
  if (values.get("tz")) query.set("tz", values.get("tz"));
  const suffix = /\.[^.]*$/.exec(file.name.toLowerCase())?.[0] ?? "";
  const symbol = encodeURIComponent(values.get("symbol").trim() || "-");
  const answer = await send(uploadForm, `/api/candles/${symbol}/upload?${query}`, {
    headers: { "Content-Type": mediaTypes[suffix] ?? "application/octet-stream" },
    body: file,
  });
  if (answer) uploadForm.querySelector(".status").textContent = write("uploaded", answer);
});
