// Points of a sweep, run as backtests.
import { send } from "./forms.js";

const problem = document.getElementById("problem");

async function run(button) {
  button.disabled = true;
  try {
    const { ok, body } = await send("POST", "/api/backtests/run-async", JSON.parse(button.dataset.request));
    if (ok) {
      location.assign(`/app/tasks/${encodeURIComponent(body.task_id)}`);
      return;
    }
    problem.textContent = body.detail;
  } catch {
    problem.textContent = problem.dataset.unreachable;
  }
  button.disabled = false;
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
}

document.getElementById("content").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-request]");
  if (button) run(button);
});
