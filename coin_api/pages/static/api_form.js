// Forms that send their fields to the API, in its body or its query, and then show the page again.
import { clearProblems, newKey, readControls, send, showProblems } from "./forms.js";

function handle(form) {
  const button = form.querySelector('[type="submit"]');
  const problem = form.querySelector(".problem");
  const key = newKey(); // the page is loaded again for another order
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { action, method, place, confirm: question, invalid, unreachable } = form.dataset;
    if (question && !confirm(question)) return;
    clearProblems(form);
    const { values } = readControls(form);
    const [url, content] = place === "query" ? [`${action}?${new URLSearchParams(values)}`] : [action, method === "DELETE" ? undefined : values];
    button.disabled = true;
    try {
      const { ok, body } = await send(method ?? "POST", url, content, { "Idempotency-Key": key });
      if (ok) {
        button.disabled = false; // Firefox would keep it so after the reload
        location.reload();
        return;
      }
      showProblems(body.errors?.length ? body.errors : [{ field: "", message: body.detail, lang: body.lang }], invalid, problem);
    } catch {
      showProblems([], unreachable, problem);
    }
    button.disabled = false;
  });
}

for (const form of document.querySelectorAll("form[data-action]")) handle(form);
