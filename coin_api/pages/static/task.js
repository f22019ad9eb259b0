// The progress of one task: events of the server, and polling wherever they do not arrive.
import { inLanguage, send } from "./forms.js";

const SILENCE_MS = 3000; // without an event for this long, polling begins; the events may be held back by a proxy
const POLL_MS = 1000;
const section = document.getElementById("task");
const problem = document.getElementById("problem");
const url = section.dataset.statusUrl;
const cancel = section.querySelector("[data-cancel]");
let events = null;
let silence = null;
let polling = null;

const slot = (name) => section.querySelector(`[data-slot="${name}"]`);

/** Show a status; load the page again for another one, and for the end of a cancelled task, which stops a little later. */
function show(status) {
  problem.hidden = true;
  if (status.status !== section.dataset.status || status.finished_at) {
    stop();
    location.reload();
    return;
  }
  if (slot("progress")) {
    slot("progress").value = status.progress;
    slot("percent").textContent = `${Math.floor(100 * status.progress)}%`;
  }
  if (slot("points")) showPoints(status);
}

/** Show how many points of a sweep are evaluated, how fast, and the time that the others take, as h:mm:ss. */
function showPoints({ points, points_done: done, points_per_second: speed, eta_seconds: left }) {
  slot("points").textContent = `${done.toLocaleString("en")} / ${points.toLocaleString("en")}`;
  const isKnown = speed !== null && left !== null;
  const digits = { maximumSignificantDigits: 3 };
  const text = slot("speed").dataset.text;
  slot("speed").textContent = isKnown ? text.replace("{speed}", speed.toLocaleString("en", digits)).replace("{left}", duration(left)) : "";
}

function duration(seconds) {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return [Math.floor(whole / 3600), ...parts].join(":");
}

/** Return the progress of a sweep that a page contains, as the status of the API has it. */
function pointsOf({ points, pointsDone, speed, eta }) {
  const known = (text) => (text === "" ? null : Number(text));
  return { points: Number(points), points_done: Number(pointsDone), points_per_second: known(speed), eta_seconds: known(eta) };
}

/** Read the page again: the status of the API would contain the whole result in the end. */
async function poll() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(String(response.status));
    const task = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("task");
    const { status, finished, progress } = task.dataset;
    show({ status, finished_at: finished, progress: Number(progress), ...pointsOf(task.dataset) });
  } catch {
    problem.textContent = section.dataset.unreachable;
    problem.hidden = false;
  }
}

if (slot("points")) showPoints(pointsOf(section.dataset));

function startPolling() {
  polling ??= setInterval(poll, POLL_MS);
}

function follow() {
  events = new EventSource(`${url}/events`);
  silence = setTimeout(startPolling, SILENCE_MS);
  events.addEventListener("status", (event) => {
    clearTimeout(silence);
    clearInterval(polling);
    polling = null;
    show(JSON.parse(event.data));
  });
  events.addEventListener("error", startPolling); // the browser connects again by itself
}

function stop() {
  events?.close();
  clearTimeout(silence);
  clearInterval(polling);
}

cancel?.addEventListener("click", async () => {
  cancel.disabled = true;
  try {
    const { ok, body } = await send("POST", cancel.dataset.cancel);
    if (ok) {
      stop();
      location.reload();
      return;
    }
    problem.replaceChildren(inLanguage(body.detail, body.lang));
  } catch {
    problem.textContent = section.dataset.unreachable;
  }
  problem.hidden = false;
  cancel.disabled = false;
});
if (cancel) follow();
else startPolling(); // its status is final, and has no more events
