/* input[data-uploads]: each chosen file is sent at once, with its progress; the form then carries only its id.
   Without JavaScript the files go with the form. */
function uploadOne(box, input, file) {
  const row = box.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-name]").textContent = file.name;
  row.querySelector("[data-size]").textContent = fileSize(file.size);
  box.querySelector("[data-uploads-list]").append(row);
  const limit = Number(input.dataset.maxBytes);
  if (limit && file.size > limit) { failUpload(row, `Larger than ${fileSize(limit)}`); return; }
  const request = new XMLHttpRequest();
  row.upload = request;
  request.open("POST", box.dataset.uploadUrl);
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", input.form.elements.csrfmiddlewaretoken.value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { row.querySelector("progress").value = event.loaded / event.total; });
  request.addEventListener("load", () => (request.status === 201 ? finishUpload(row, input, request.response) : failUpload(row, request.status === 413 ? "Too large" : "Was not accepted")));
  request.addEventListener("error", () => failUpload(row, "Did not reach Deskhand"));
  const form = new FormData();
  form.append("file", file);
  request.send(form);
}

function finishUpload(row, input, stored) {
  const id = document.createElement("input");
  id.type = "hidden";
  id.name = input.dataset.uploads;
  id.value = stored.id;
  row.querySelector("progress").replaceWith(id);
  delete row.upload;
}

function failUpload(row, why) {
  row.classList.add("is-bad");
  const words = document.createElement("span");
  words.className = "text-bad-ink";
  words.textContent = why;
  row.querySelector("progress").replaceWith(words);
  delete row.upload;
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999950 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

on("change", "input[data-uploads]", (event, input) => {
  for (const file of [...input.files]) uploadOne(input.closest("[data-uploads-box]"), input, file);
  input.value = "";
});
on("click", "[data-upload-remove]", (event, button) => {
  const row = button.closest("li");
  row.upload?.abort();
  row.remove();
});
document.addEventListener("submit", (event) => {
  const busy = [...event.target.querySelectorAll("[data-uploads-list] li")].some((row) => row.upload);
  if (!busy) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  toast("A file is still on its way", "Start again when its bar is full.", "bad");
}, true);
