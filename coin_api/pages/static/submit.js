// The form of a backtest, a sweep or a forward test: presets, the parameters of the chosen strategy, and the submission.
import { clearProblems, newKey, readControls, send, showProblems } from "./forms.js";
import { keepForm, restoreForm, watchForm } from "./kept_form.js";

const UNREADABLE = "unreadable_fields"; // not a field of any request
export const form = document.getElementById("submit");
const strategy = document.getElementById("field-strategy");
const preset = document.getElementById("preset");
const problem = document.getElementById("problem");
const progress = document.getElementById("progress");
const button = form.querySelector('[type="submit"]');
const kept = form.appendChild(document.createElement("input")); // `entered` as JSON, kept with the form's other controls
kept.type = "hidden";
kept.id = "entered-amounts";
let key = restoreForm(form) ?? newKey();
const entered = new Map(JSON.parse(kept.value || "[]")); // amounts of money by currency and field
let quote = chosenQuote(); // currency of the amounts in the form
let explain = async (problems) => problems;

/** Let a form replace the problems of a refused request, which it gets with the request, before they are shown. */
export function explainWith(replace) {
  explain = replace;
}

/** Return the currency in which all chosen markets are quoted; null if none is chosen, an empty text if there are several. */
function chosenQuote() {
  const quotes = new Set(Array.from(form.querySelectorAll('[name="symbols"]:checked'), ({ value }) => value.split("_")[1]));
  if (quotes.size === 0) return null;
  return quotes.size === 1 ? quotes.values().next().value : "";
}

/** Show the amounts of money that were entered for the currency of the chosen markets, or else their defaults. */
function changeQuote() {
  const next = chosenQuote();
  if (next === null || next === quote) return; // what is entered before a market is chosen is meant for it
  for (const control of quote === null ? [] : form.querySelectorAll("[data-money]")) {
    entered.set(`${quote} ${control.name}`, control.value);
    control.value = entered.get(`${next} ${control.name}`) ?? control.dataset.money;
  }
  kept.value = JSON.stringify([...entered]);
  quote = next;
}

/** Enable the parameters of the chosen strategy only. */
function showParameters() {
  for (const fieldset of form.querySelectorAll(".params-of")) {
    const chosen = fieldset.dataset.strategy === strategy.value;
    fieldset.hidden = fieldset.disabled = !chosen;
  }
}

/** Fill the form in with the chosen preset; parameters that it omits get their defaults. */
function applyPreset() {
  const chosen = preset.selectedOptions[0];
  if (!chosen.dataset.strategy) return;
  strategy.value = chosen.dataset.strategy;
  showParameters();
  const params = JSON.parse(chosen.dataset.params);
  for (const control of form.querySelectorAll('.params-of:enabled [name^="params."]')) {
    const name = control.name.slice("params.".length);
    const value = name in params ? params[name] : null;
    if (control.dataset.kind === "switch") control.checked = value ?? control.defaultChecked;
    else if (value === null) control.value = control.defaultValue ?? "";
    else control.value = control.dataset.kind === "json" ? JSON.stringify(value) : value;
  }
}

/** Return the request that the form contains, and the problems that keep it from being sent. */
export function readRequest() {
  const { values, problems } = readControls(form);
  const request = { params: {}, symbols: [] };
  if (form.querySelector('[data-kind="space"]')) request.space = {};
  for (const [path, value] of Object.entries(values)) {
    const [group, name] = path.split("."); // `params.NAME` or, of a sweep, `space.NAME`
    if (name === undefined) request[path] = value;
    else request[group][name] = value;
  }
  for (const box of form.querySelectorAll('[name="symbols"]:checked')) request.symbols.push(box.value);
  return { request, problems };
}

/**
 * Send the request to the API, which reports everything that is wrong with it at once.
 * Fields whose values cannot be read are left out; to be refused nevertheless, the request then has a field that none has.
 */
async function submitRequest() {
  const { request, problems } = readRequest();
  const content = problems.length ? { ...request, [UNREADABLE]: problems.length } : request;
  const { ok, body } = await send("POST", form.dataset.action, content, { "Idempotency-Key": key });
  if (ok) return { body, problems: null };
  const known = new Set([UNREADABLE, ...problems.map(({ field }) => field)]);
  const others = body.errors?.length ? body.errors.filter(({ field }) => !known.has(field)) : [{ field: "", message: body.detail, lang: body.lang }];
  return { body, problems: [...problems, ...(await explain(others, request))] };
}

async function submit(event) {
  event.preventDefault();
  if (button.disabled) return;
  clearProblems(form);
  button.disabled = true;
  progress.textContent = form.dataset.submitting;
  keepForm(form, key); // loaded again before the response arrives, the page repeats the same submission
  try {
    const { body, problems } = await submitRequest();
    if (!problems) {
      key = newKey(); // back from the task: to submit again means to run again
      keepForm(form, key);
      location.assign(form.dataset.next + encodeURIComponent(body.task_id ?? body.test_id));
      return; // until the page is left, the button stays as it is
    }
    showProblems(problems, form.dataset.invalid, problem);
  } catch {
    showProblems([], form.dataset.unreachable, problem);
  }
  allowSubmission();
}

function allowSubmission() {
  button.disabled = false;
  progress.textContent = "";
}

async function savePreset() {
  const place = document.getElementById("preset-saved");
  clearProblems(form);
  place.textContent = "";
  const { request, problems } = readRequest();
  const name = document.getElementById("field-name").value.trim();
  const own = problems.filter(({ field }) => field.startsWith("params."));
  if (own.length) {
    showProblems(own, form.dataset.invalid, problem);
    return;
  }
  const saved = Array.from(preset.options).find((option) => option.value === name);
  if (name && saved && !confirm(place.dataset.replace.replace("{name}", name))) return;
  try {
    const body = { name, strategy: request.strategy, params: request.params };
    const answer = await send("POST", "/api/strategies/presets", body);
    if (!answer.ok) {
      const found = answer.body.errors ?? [{ field: "name", message: answer.body.detail, lang: answer.body.lang }];
      showProblems(found, form.dataset.invalid, problem);
      return;
    }
    const option = saved ?? preset.appendChild(new Option(name, name));
    option.disabled = false; // its former strategy may be gone
    option.text = name;
    option.dataset.strategy = answer.body.strategy;
    option.dataset.params = JSON.stringify(answer.body.params);
    preset.value = name;
    place.textContent = place.dataset.saved;
  } catch {
    showProblems([], form.dataset.unreachable, problem);
  }
}

/** Show the symbols whose name contains the text. */
function filterSymbols(event) {
  const text = event.target.value.trim().toUpperCase();
  for (const label of document.querySelectorAll(".choices label")) {
    label.hidden = !label.querySelector("input").value.includes(text);
  }
}

for (const box of form.querySelectorAll('[name="symbols"]')) box.addEventListener("change", changeQuote);
strategy.addEventListener("change", () => {
  preset.value = "";
  showParameters();
});
preset.addEventListener("change", applyPreset);
preset.addEventListener("change", () => {
  const other = document.getElementById("other");
  if (other) other.search = preset.value && new URLSearchParams({ preset: preset.value });
});
form.addEventListener("submit", submit);
form.addEventListener("input", () => {
  key = newKey(); // another content is another submission
});
addEventListener("pageshow", allowSubmission); // back from the task
document.getElementById("save-preset")?.addEventListener("click", savePreset);
document.getElementById("symbols-filter")?.addEventListener("input", filterSymbols);
watchForm(form, () => keepForm(form, key));
showParameters();
