// The columns of a candle file: which one is which field, as the API reports them and as the user chooses.

/** Return the query parameter `columns`; an empty text if everything is automatic. */
export function columnsOf(values) {
  const chosen = new Map();
  for (const [name, value] of values) if (name.startsWith("columns.") && value) chosen.set(name.slice("columns.".length), value);
  const clock = chosen.get("clock");
  chosen.delete("clock");
  if (clock && chosen.has("time")) chosen.set("time", `${chosen.get("time")}+${clock}`);
  return Array.from(chosen, ([name, value]) => `${name}=${value}`).join(",");
}

/** Offer the columns of a file, and show which ones were used; what is chosen and still exists stays chosen. */
export function listColumns(form, columns) {
  for (const select of form.querySelectorAll("[data-column]")) {
    const { value } = select;
    const options = columns.map(({ key, text }) => new Option(key === text ? text : `${key}: ${text}`, key));
    select.replaceChildren(select.options[0], ...options);
    select.value = columns.some(({ key }) => key === value) ? value : "";
    showUsed(select, columns);
  }
}

/** Forget which columns were used: another file is chosen. The choices stay, since it may have the same columns. */
export function forgetColumns(form) {
  for (const select of form.querySelectorAll("[data-column]")) showUsed(select, []);
}

function showUsed(select, columns) {
  const automatic = select.options[0];
  automatic.dataset.text ??= automatic.text;
  const used = columns.filter(({ field }) => field === select.dataset.column).map(({ text }) => text);
  automatic.text = [automatic.dataset.text, used.join(" + ")].filter(Boolean).join(": ");
}
