// The list of tasks: while the page is visible, it is read again, and rows that differ are replaced.
import { inLanguage, send } from "./forms.js";

const ACTIVE_MS = 1000; // while some task has not ended
const IDLE_MS = 5000;
const problem = document.getElementById("problem");

function report(message) {
  problem.replaceChildren(message);
  problem.hidden = message === "";
}

/** Replace the list by that of a newer page, and keep the focus where it was. */
function show(page) {
  const focused = document.activeElement?.dataset?.cancel ?? document.activeElement?.getAttribute?.("href");
  document.getElementById("tasks").replaceWith(document.adoptNode(page.getElementById("tasks")));
  if (!focused) return;
  const list = document.getElementById("tasks");
  Array.from(list.querySelectorAll("[data-cancel], a")).find((e) => (e.dataset.cancel ?? e.getAttribute("href")) === focused)?.focus();
}

async function update() {
  if (document.visibilityState === "visible") {
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!response.ok) throw new Error(String(response.status));
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (page.getElementById("tasks").textContent !== document.getElementById("tasks").textContent) show(page);
      report("");
    } catch {
      report(problem.dataset.unreachable);
    }
  }
  setTimeout(update, document.querySelector("#tasks [data-cancel]") ? ACTIVE_MS : IDLE_MS);
}

async function cancel(button) {
  button.disabled = true;
  try {
    const { ok, body } = await send("POST", button.dataset.cancel);
    report(ok ? "" : inLanguage(body.detail, body.lang));
    button.disabled = ok; // the next update removes it
  } catch {
    report(problem.dataset.unreachable);
    button.disabled = false;
  }
}

document.getElementById("content").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-cancel]");
  if (button) cancel(button);
});
setTimeout(update, ACTIVE_MS);
