// Points of a sweep, run as backtests: one of them, several to compare, or the best of a cell of a heat map.
import { inLanguage, send } from "./forms.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const MOST_CELLS = 50; // along an axis of a heat map
const problem = document.getElementById("problem");

function report(message) {
  problem.replaceChildren(message);
  problem.hidden = false;
  problem.scrollIntoView({ block: "center" });
}

async function run(button) {
  button.disabled = true;
  try {
    const { ok, body } = await send("POST", "/api/backtests/run-async", JSON.parse(button.dataset.request));
    if (ok) {
      location.assign(`/app/tasks/${encodeURIComponent(body.task_id)}`);
      return;
    }
    report(inLanguage(body.detail, body.lang));
  } catch {
    report(problem.dataset.unreachable);
  }
  button.disabled = false;
}

/** Run the chosen points as backtests and compare the results; the API returns those that are stored already. */
async function compare({ currentTarget: button }) {
  const chosen = Array.from(document.querySelectorAll('[name="point"]:checked'), (box) => box.closest("tr").querySelector("[data-request]"));
  if (chosen.length < Number(button.dataset.least) || chosen.length > Number(button.dataset.most)) {
    report(button.dataset.hint);
    return;
  }
  const status = document.getElementById("comparing");
  button.disabled = true;
  problem.hidden = true;
  status.textContent = button.dataset.running;
  try {
    const answers = await Promise.all(chosen.map(({ dataset }) => send("POST", "/api/backtests/run", JSON.parse(dataset.request))));
    const failed = answers.find(({ ok }) => !ok);
    if (!failed) {
      location.assign(`/app/compare?${new URLSearchParams(answers.map(({ body }) => ["run", body.run_id]))}`);
      return;
    }
    report(inLanguage(failed.body.detail, failed.body.lang));
  } catch {
    report(problem.dataset.unreachable);
  } finally {
    button.disabled = false;
    status.textContent = "";
  }
}

/** Move to the next cell of a heat map in the direction of an arrow key; cells without points are skipped. */
function moveCell(event) {
  const cell = event.target.closest("a[data-row]");
  const direction = ARROWS[event.key];
  if (!cell || !direction || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  let [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
  for (let steps = 0; steps < MOST_CELLS; steps += 1) {
    row += direction[0];
    column += direction[1];
    const next = cell.ownerSVGElement.querySelector(`a[data-row="${row}"][data-column="${column}"]`);
    if (next) {
      cell.setAttribute("tabindex", "-1"); // one cell at a time can be reached with the tab key
      next.setAttribute("tabindex", "0");
      next.focus();
      return;
    }
  }
}

const content = document.getElementById("content");
content.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-request]");
  if (button) run(button);
});
content.addEventListener("keydown", moveCell);
document.getElementById("compare")?.addEventListener("click", compare);
