// The list of results: a comparison needs some of them, so that what was chosen is not lost on a page of an error.

const form = document.getElementById("comparison");

form?.addEventListener("submit", (event) => {
  const count = new FormData(form).getAll("run").length;
  const isPossible = count >= Number(form.dataset.least) && count <= Number(form.dataset.most);
  form.querySelector(".error").hidden = isPossible;
  if (!isPossible) event.preventDefault();
});
form?.addEventListener("change", () => {
  form.querySelector(".error").hidden = true;
});
