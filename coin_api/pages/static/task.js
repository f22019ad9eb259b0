// The progress of one task: events of the server, and polling wherever they do not arrive.
import { send } from "./forms.js";

const SILENCE_MS = 3000; // without an event for this long, polling begins; the events may be held back by a proxy
const POLL_MS = 1000;
const section = document.getElementById("task");
const problem = document.getElementById("problem");
const url = section.dataset.statusUrl;
let polling = null;

const slot = (name) => section.querySelector(`[data-slot="${name}"]`);

/** Show a status; once it is final, load the page again, which then links to the result. */
function show(status) {
  problem.hidden = true;
  if (status.status !== section.dataset.status) {
    stop();
    location.reload();
    return;
  }
  slot("progress").value = status.progress;
  slot("percent").textContent = `${Math.floor(100 * status.progress)}%`;
  const points = slot("points");
  if (points) points.textContent = `${status.points_done.toLocaleString("en")} / ${status.points.toLocaleString("en")}`;
}

/** Read the page again: the status of the API would contain the whole result in the end. */
async function poll() {
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(String(response.status));
    const task = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("task");
    const { status, progress, points, pointsDone } = task.dataset;
    show({ status, progress: Number(progress), points: Number(points), points_done: Number(pointsDone) });
  } catch {
    problem.textContent = section.dataset.unreachable;
    problem.hidden = false;
  }
}

const startPolling = () => (polling ??= setInterval(poll, POLL_MS));
const events = new EventSource(`${url}/events`);
let silence = setTimeout(startPolling, SILENCE_MS);

events.addEventListener("status", (event) => {
  clearTimeout(silence);
  clearInterval(polling);
  polling = null;
  show(JSON.parse(event.data));
});
events.addEventListener("error", startPolling); // the browser connects again by itself

function stop() {
  events.close();
  clearTimeout(silence);
  clearInterval(polling);
}

section.querySelector("[data-cancel]").addEventListener("click", async ({ currentTarget: button }) => {
  button.disabled = true;
  try {
    const { ok, body } = await send("POST", button.dataset.cancel);
    if (ok) {
      stop();
      location.reload();
      return;
    }
    problem.textContent = body.detail;
  } catch {
    problem.textContent = section.dataset.unreachable;
  }
  problem.hidden = false;
  button.disabled = false;
});
