// Shows the progress of the run that a page waits for, and reloads the page once the run has ended.

const progress = document.getElementById("progress");
const events = new EventSource(`${progress.dataset.status}/events`);

events.addEventListener("status", ({ data }) => {
  const task = JSON.parse(data);
  progress.textContent = progress.dataset.text.replace("{percent}", `${Math.floor(100 * task.progress)}%`);
  if (task.finished_at === null) return;
  events.close();
  location.reload();
});
