// The columns of a candle file: which one is which field, as the API reports them and as the user chooses.

const HEADER_BYTES = 65536;

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

/** Return the first line of a file, byte by byte: files of one layout have the same one, unless they have no header. */
export async function headerOf(file) {
  const text = new TextDecoder("latin1").decode(await file.slice(0, HEADER_BYTES).arrayBuffer());
  return text.split(/[\r\n]/, 1)[0];
}

/** Forget which columns were used: another file is chosen. With another header, what was chosen is reset, too. */
export function forgetColumns(form, isReset) {
  for (const select of form.querySelectorAll("[data-column]")) {
    showUsed(select, []);
    if (isReset) select.replaceChildren(select.options[0]);
  }
  if (isReset) for (const select of form.querySelectorAll('[name^="columns."]')) select.value = "";
}

function showUsed(select, columns) {
  const automatic = select.options[0];
  automatic.dataset.text ??= automatic.text;
  const used = columns.filter(({ field }) => field === select.dataset.column).map(({ text }) => text);
  automatic.text = [automatic.dataset.text, used.join(" + ")].filter(Boolean).join(": ");
}
