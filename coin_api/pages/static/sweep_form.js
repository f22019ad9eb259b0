// The form of a sweep: which fields are swept, over which values, and how many points that makes.
import { clearProblems, send, showProblem } from "./forms.js";
import { explainWith, form, readRequest } from "./submit.js";

const PAUSE_MS = 300; // after the last change, before the points are counted
const EACH_SIDE = 3; // values proposed below and above a number
const search = document.getElementById("field-search");
const points = document.getElementById("points");
const confirm = document.getElementById("confirm");
const confirmed = confirm.querySelector("input");
let count = 0;
let timer = 0;

/** Return seven numbers around a value, a tenth of it apart, rounded to 1, 2 or 5 of a decimal place, as lo:hi:step. */
function around(control) {
  const value = Number(control.value);
  const tenth = Math.abs(value) / 10 || 0.1;
  const place = 10 ** Math.floor(Math.log10(tenth));
  const rounded = place * [5, 2, 1].find((factor) => factor * place <= tenth * (1 + 1e-9));
  const step = control.dataset.kind === "integer" ? Math.max(1, Math.round(rounded)) : rounded;
  const low = control.min === "" ? -Infinity : Number(control.min);
  const high = control.max === "" ? Infinity : Number(control.max);
  const steps = Array.from({ length: 2 * EACH_SIDE + 1 }, (_, index) => value + (index - EACH_SIDE) * step);
  const valid = steps.map((number) => Number(number.toPrecision(12))).filter((number) => low <= number && number <= high);
  return valid.length === 0 ? "" : `${valid[0]}:${valid.at(-1)}:${Number(step.toPrecision(12))}`;
}

/** Return the values to sweep that are proposed for a field; an empty text if there are none. */
function proposal(control, values) {
  if (control.type === "checkbox") return "true,false";
  if (control.localName === "select") return Array.from(control.options, ({ value }) => value || "none").join(",");
  return control.type === "number" && control.value !== "" ? around(control) : values.dataset.proposal;
}

/** Show the values of a field that is swept, or else the field itself. */
function showValues(box) {
  const fixed = document.getElementById(box.dataset.fixed);
  const values = document.getElementById(box.dataset.values);
  fixed.hidden = fixed.disabled = box.checked;
  values.hidden = values.disabled = !box.checked;
  if (box.checked && values.value === "") values.value = proposal(fixed, values);
}

/** Propose values around those of a preset. */
function proposeAgain() {
  for (const box of form.querySelectorAll(".params-of:enabled [data-values]")) {
    document.getElementById(box.dataset.values).value = "";
    showValues(box);
  }
}

/** Show the fields that the search needs: a grid tries all its points, in their order. */
function showSearch() {
  for (const name of ["trials", "seed"]) {
    const control = document.getElementById(`field-${name}`);
    control.disabled = search.value === "grid";
    for (const element of [...control.labels, control.parentElement]) element.hidden = control.disabled;
  }
}

/** Show the number of points, and the box that confirms a large sweep; neither of a sweep that is not valid. */
function showCount(counted) {
  points.textContent = counted ? counted.points.toLocaleString("en") : "–";
  confirm.hidden = confirmed.disabled = !counted?.needs_confirmation;
  if (confirm.hidden) confirmed.checked = false;
}

/** Let the API count the points; what is wrong with a value is shown at once, and everything else when submitting. */
async function countPoints() {
  const current = ++count;
  const { request, problems } = readRequest();
  const isComplete = problems.length === 0 && request.symbols.length > 0 && form.checkValidity();
  try {
    const { ok, body } = isComplete ? await send("POST", "/api/sweeps/preview", request) : { ok: false, body: {} };
    if (current !== count) return; // another change
    const swept = (ok ? [] : (body.errors ?? [])).filter(({ field }) => field.startsWith("space"));
    clearProblems(form);
    for (const { field, message, lang } of swept) showProblem({ field: field.split("=")[0], message, lang }, form);
    showCount(ok ? body : null);
  } catch {
    points.textContent = "–"; // a submission reports that the server does not respond
  }
}

/** Ask for the confirmation of a sweep that was refused without it, in the words of the page; other problems stay. */
async function askForConfirmation(problems, request) {
  if (!problems.some(({ field }) => field === "space")) return problems;
  const { ok, body } = await send("POST", "/api/sweeps/preview", request);
  if (!ok || !body.needs_confirmation) return problems;
  showCount(body);
  return [{ field: "space", message: confirm.dataset.needed }];
}

function countSoon({ target }) {
  if (target !== confirmed) confirmed.checked = false; // it was given for another sweep
  clearTimeout(timer);
  timer = setTimeout(countPoints, PAUSE_MS);
}

form.addEventListener("change", ({ target }) => {
  if (target.dataset.values) showValues(target);
  if (target.id === "preset") proposeAgain();
  if (target === search) showSearch();
});
form.addEventListener("input", countSoon);
form.addEventListener("change", countSoon);
form.addEventListener("submit", () => {
  clearTimeout(timer);
  count += 1; // an answer that arrives now would remove the problems of the submission
});
for (const box of form.querySelectorAll("[data-values]")) showValues(box);
explainWith(askForConfirmation);
showSearch();
countPoints();
