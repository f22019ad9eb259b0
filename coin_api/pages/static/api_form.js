// Forms that send their fields to the API, in its body or its query, and then show the page again.
// One with an id has content of the user, which it keeps until it is sent.
import { clearProblems, newKey, readControls, send, showProblems } from "./forms.js";
import { forgetForm, keepForm, restoreForm, watchForm } from "./kept_form.js";

function handle(form) {
  const isKept = form.id !== "";
  const button = form.querySelector('[type="submit"]');
  const problem = form.querySelector(".problem");
  let key = (isKept && restoreForm(form)) || newKey();
  form.addEventListener("input", () => {
    key = newKey(); // another content is another order
  });
  if (isKept) watchForm(form, () => keepForm(form, key));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { action, method, place, confirm: question, invalid, unreachable } = form.dataset;
    if (question && !confirm(question)) return;
    clearProblems(form);
    const { values } = readControls(form);
    const [url, content] = place === "query" ? [`${action}?${new URLSearchParams(values)}`] : [action, method === "DELETE" ? undefined : values];
    button.disabled = true;
    if (isKept) keepForm(form, key); // loaded again before the response arrives, the page repeats the same order
    try {
      const { ok, body } = await send(method ?? "POST", url, content, { "Idempotency-Key": key });
      if (ok) {
        button.disabled = false; // Firefox would keep it so after the reload
        if (isKept) forgetForm(form);
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
