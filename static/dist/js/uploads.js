/* input[data-uploads]: each chosen file is sent at once, with its progress; the form then carries only its id. A form that
   is sent while files are on their way goes when they are there. Without JavaScript the files go with the form. */
import { on } from "./dom.js";

function addUpload(box, input, file) {
  const row = box.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-name]").textContent = file.name;
  row.querySelector("[data-size]").textContent = fileSize(file.size);
  row.querySelector("[data-upload-remove]").setAttribute("aria-label", `Remove ${file.name}`);
  row.send = () => sendUpload(row, box, input, file);
  box.querySelector("[data-uploads-list]").append(row);
  const limit = Number(input.dataset.maxBytes);
  if (limit && file.size > limit) failUpload(row, `Larger than ${fileSize(limit)}`, false);
  else row.send();
}

function sendUpload(row, box, input, file) {
  const request = new XMLHttpRequest();
  showUpload(row, request, "");
  request.open("POST", box.dataset.uploadUrl);
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", input.form.elements.csrfmiddlewaretoken.value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { row.querySelector("progress").value = event.loaded / event.total; });
  request.addEventListener("load", () => (request.status === 201 ? finishUpload(row, input, request.response) : failUpload(row, refusal(request.status), request.status !== 413)));
  request.addEventListener("error", () => failUpload(row, "Did not reach Deskhand", true));
  const form = new FormData();
  form.append("file", file);
  request.send(form);
}

const refusal = (status) => ({ 413: "Too large", 503: "The file store does not answer" })[status] ?? "Was not accepted";

function finishUpload(row, input, stored) {
  const id = document.createElement("input");
  id.type = "hidden";
  id.name = input.dataset.uploads;
  id.value = stored.id;
  row.querySelector("progress").replaceWith(id);
  delete row.upload;
  uploadsChanged(row.closest("form"));
}

function failUpload(row, why, isWorthRetrying) {
  showUpload(row, null, why);
  row.querySelector("[data-upload-retry]").hidden = !isWorthRetrying;
  uploadsChanged(row.closest("form"));
}

/** The row of a file that `request` carries, or that failed because of `why`. */
function showUpload(row, request, why) {
  row.upload = request;
  row.classList.toggle("is-bad", Boolean(why));
  const words = row.querySelector("[data-why]");
  words.textContent = why;
  words.hidden = !why;
  row.querySelector("progress").hidden = Boolean(why);
  row.querySelector("[data-upload-retry]").hidden = true;
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999950 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Once the form's button was pressed: say what it waits for, send it when nothing is missing, stop at what failed. */
function uploadsChanged(form) {
  const line = form?.querySelector("[data-uploads-wait]");
  if (!line) return;
  const rows = [...form.querySelectorAll("[data-uploads-list] li")];
  const failed = rows.filter((row) => row.matches(".is-bad"));
  const busy = rows.filter((row) => row.upload);
  const pressed = form.pressed;
  if (!pressed) { line.hidden ||= !failed.length; return; }
  line.hidden = !failed.length && !busy.length;
  line.textContent = failed.length ? notArrived(failed.length) : onTheWay(busy.length);
  pressed.button?.setAttribute("aria-busy", String(!failed.length));
  if (failed.length || !busy.length) delete form.pressed;
  if (failed.length) failed[0].querySelector("button:not([hidden])").focus();
  else if (!busy.length) form.requestSubmit(pressed.button);
}

const notArrived = (files) => (files > 1 ? `${files} files did not arrive. Retry or remove them, then start again.` : "1 file did not arrive. Retry or remove it, then start again.");
const onTheWay = (files) => (files > 1 ? `${files} files are still on their way. It starts when they are there.` : "1 file is still on its way. It starts when it is there.");

on("change", "input[data-uploads]", (event, input) => {
  for (const file of [...input.files]) addUpload(input.closest("[data-uploads-box]"), input, file);
  input.value = "";
});
on("click", "[data-upload-remove]", (event, button) => {
  const row = button.closest("li");
  const form = row.closest("form");
  row.upload?.abort();
  row.remove();
  uploadsChanged(form);
});
on("click", "[data-upload-retry]", (event, button) => {
  const row = button.closest("li");
  row.send();
  uploadsChanged(row.closest("form"));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  const isMissing = [...form.querySelectorAll("[data-uploads-list] li")].some((row) => row.upload || row.matches(".is-bad"));
  if (!isMissing) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  form.pressed = { button: event.submitter };
  uploadsChanged(form);
}, true);
