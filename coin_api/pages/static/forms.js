// Forms whose content is sent to the API as JSON, and whose problems are shown next to the fields that cause them.

const pageLanguage = document.documentElement.lang;
/** Header with which the API writes errors in the language of the page, and with what its reader can do. */
export const ERRORS_IN_LANGUAGE = { "X-Page-Language": pageLanguage };

/** Thrown for a value that the API would not see as it was typed. */
class InvalidValue extends Error {}

/** Return the value of a control as the request has it; undefined for an empty one. One that has a default must not be empty. */
function valueOf(control) {
  if (control.dataset.kind === "switch") return control.checked;
  if (control.validity.badInput) throw new InvalidValue(control.validationMessage);
  const text = control.value.trim();
  const isSpace = control.dataset.kind === "space"; // text, or a list in JSON
  if (text === "" && control.dataset.empty) throw new InvalidValue(control.dataset.empty);
  if (text === "") return isSpace ? text : undefined;
  if (control.dataset.kind === "integer" || control.dataset.kind === "number") return Number(text);
  if (control.dataset.kind !== "json" && !(isSpace && text.startsWith("["))) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidValue(error.message);
  }
}

/** Return the control of a field: by its id, or by its name if several strategies or forms have a field of that name. */
const controlOf = (path, root) =>
  root.querySelector(`#${CSS.escape(`field-${path.replaceAll(".", "-")}`)}`) ?? root.querySelector(`[name="${CSS.escape(path)}"]:enabled`);

/** Return a message as an element in its language. */
export function inLanguage(message, lang = "en") {
  const element = document.createElement("span");
  element.lang = lang;
  element.textContent = message;
  return element;
}

/** Show why a field of a form is wrong, and return its control; null if the form has no such field. */
export function showProblem({ field, message, lang }, root) {
  const control = controlOf(field, root);
  const place = control && document.getElementById(`${control.id}-error`);
  if (!place || control.closest("[hidden]")) return null;
  for (let details = control.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
  control.setAttribute("aria-invalid", "true");
  if (place.hidden) place.replaceChildren();
  else place.append(" ");
  place.append(inLanguage(message, lang));
  place.hidden = false;
  return control;
}

/** Remove all problems that are shown. */
export function clearProblems(root) {
  for (const control of root.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  for (const place of root.querySelectorAll(".error")) {
    place.hidden = true;
    place.textContent = "";
  }
}

/**
 * Return the typed values of the enabled controls with a name, by path, and the problems of those that have none.
 * @param {HTMLFormElement} form
 * @returns {{values: Object<string, unknown>, problems: {field: string, message: string}[]}}
 */
export function readControls(form) {
  const values = {};
  const problems = [];
  for (const control of form.querySelectorAll("[name][data-kind]")) {
    if (control.matches(":disabled")) continue;
    try {
      const value = valueOf(control);
      if (value !== undefined) values[control.name] = value;
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      problems.push({ field: control.name, message: error.message, lang: pageLanguage });
    }
  }
  return { values, problems };
}

/** Show the problems of a request, each next to its field or else in `place`, which is in the form, and focus the first. */
export function showProblems(problems, summary, place) {
  const root = place.closest("form");
  const rest = [];
  let first = null;
  for (const { field, message, lang } of problems) {
    // An item of a list has no control of its own: `symbols.0` is shown at `symbols`, and `space.window=0` at `space.window`.
    const control =
      showProblem({ field: field.split("=")[0], message, lang }, root) ??
      showProblem({ field: field.split(".")[0], message: `${field}: ${message}`, lang }, root);
    if (control) first ??= control;
    else rest.push(" ", inLanguage(field ? `${field}: ${message}` : message, lang));
  }
  place.replaceChildren(summary, ...rest);
  place.hidden = false;
  (first ?? place).focus();
}

/**
 * Send JSON to the API.
 * @returns {Promise<{ok: boolean, body: any}>} body is that of the response, null if it has none
 */
export async function send(method, url, body, headers = {}) {
  const response = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", Accept: "application/json", ...ERRORS_IN_LANGUAGE, ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { ok: response.ok, body: text === "" ? null : JSON.parse(text) };
}

/** Return a random key: a repetition of the same request after a lost response is the same submission. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
