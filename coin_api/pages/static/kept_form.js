// Forms that keep their content over a reload, over back and forward, and over a change of the language.
// It is part of the entry in the history, so that two tabs, or two visits, have forms of their own. Each form has an id.

const PAUSE_MS = 300; // between writes while the user types; browsers limit them

const nameOf = (control) => control.id || `${control.name} ${control.dataset.values ?? control.value}`;
const KEPT = "input:not([type=file]), select, textarea"; // a page cannot choose a file
const controlsOf = (form) => Array.from(form.elements).filter((control) => control.matches(KEPT));

/** Store the content of a form, and the key of its submission if it has one. */
export function keepForm(form, key) {
  const content = controlsOf(form).map((control) => [nameOf(control), control.type === "checkbox" ? control.checked : control.value]);
  const open = Array.from(form.querySelectorAll("details"), (details) => details.open);
  history.replaceState({ ...history.state, [form.id]: { content, open, key } }, "");
}

/** Forget the content of a form that was sent: loaded again, the page has an empty one. */
export function forgetForm(form) {
  history.replaceState({ ...history.state, [form.id]: undefined }, "");
}

/** Fill a form in as it was kept, and return the key of its submission; null for a form that is opened by a link. */
export function restoreForm(form) {
  const [{ type }] = performance.getEntriesByType("navigation");
  const kept = history.state?.[form.id];
  if (type === "navigate" || !kept) return null; // a link to the same page keeps its state
  const content = new Map(kept.content);
  for (const control of controlsOf(form)) {
    const value = content.get(nameOf(control));
    if (control.type === "checkbox") control.checked = value ?? control.checked;
    else if (control.localName !== "select" || Array.from(control.options).some((option) => option.value === value)) control.value = value ?? control.value;
  }
  for (const [index, details] of form.querySelectorAll("details").entries()) details.open = kept.open[index];
  return kept.key;
}

/**
 * Call `keep` after each change, and let the links of the languages take the content along.
 * @param {HTMLFormElement} form
 * @param {() => void} keep stores the content
 */
export function watchForm(form, keep) {
  let timer = 0;
  const keepNow = () => {
    clearTimeout(timer);
    keep();
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(keep, PAUSE_MS);
  });
  form.addEventListener("change", keepNow);
  form.addEventListener("toggle", keepNow, true);
  addEventListener("hashchange", keepNow); // the link to the content adds an entry to the history
  document.querySelector(".languages").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    keepNow();
    history.replaceState(history.state, "", link.href);
    location.reload();
  });
}
