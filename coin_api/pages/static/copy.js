// Buttons that copy the text of an element: `data-copy` names it, `data-copied` and `data-selected` are what to report.

/** Copy a text, or select it where the browser forbids to copy: without HTTPS, other than on loopback. */
async function copy({ currentTarget: button }) {
  const source = document.getElementById(button.dataset.copy);
  const status = button.parentElement.querySelector('[role="status"]');
  try {
    await navigator.clipboard.writeText(source.textContent);
    status.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(source);
    status.textContent = button.dataset.selected;
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", copy);
}
