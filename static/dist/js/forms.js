/* Without a network the browser would put its own error page over what was typed. A Deskhand on this very machine answers
   all the same, so it is asked first. */
import { on } from "./dom.js";
import { toast } from "./toast.js";

async function answers() {
  try { return (await fetch("/health/live/", { cache: "no-store" })).ok; } catch { return false; }
}
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (navigator.onLine || event.defaultPrevented || form.dataset.reached || form.method === "dialog" || form.hasAttribute("hx-post")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await answers()) {
    form.dataset.reached = "1";
    form.requestSubmit(event.submitter);
  } else {
    toast("You are offline", "Nothing was sent, and what you typed is still here. Try again when you are connected.", "bad");
  }
});

/* A form is sent once, its button keeps its label while busy, and what was typed is not lost by accident. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent && !form.hasAttribute("hx-post")) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  (event.submitter ?? form.querySelector("[type=submit],button:not([type])"))?.setAttribute("aria-busy", "true");
});

function releaseForms(scope = document) {
  for (const form of scope.querySelectorAll("form[data-sent],form[data-reached]")) { delete form.dataset.sent; delete form.dataset.reached; }
  for (const button of scope.querySelectorAll("form [aria-busy=true]")) button.removeAttribute("aria-busy");
}
addEventListener("pageshow", (event) => { if (event.persisted) releaseForms(); });
document.addEventListener("htmx:finally:request", () => releaseForms());

/* data-dirty: a bar with "Save" appears once something has changed, and leaving asks first. */
function markDirty(form, isDirty) {
  form.dataset.isDirty = isDirty ? "1" : "";
  for (const bar of form.querySelectorAll("[data-savebar]")) bar.hidden = !isDirty;
}
for (const type of ["input", "change"]) on(type, "form[data-dirty]", (event, form) => markDirty(form, true));
on("reset", "form[data-dirty]", (event, form) => markDirty(form, false));
on("submit", "form[data-dirty]", (event, form) => { form.dataset.isDirty = ""; });
addEventListener("beforeunload", (event) => { if (document.querySelector("form[data-is-dirty='1']")) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  const form = document.querySelector("form[data-dirty]");
  if (form && (event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "s") { event.preventDefault(); form.requestSubmit(); }
});

/* A filter applies itself; without JavaScript the form has a button. */
on("change", "form[data-autosubmit]", (event, form) => form.requestSubmit());

/* data-max-bytes: say that a file is too large before anything is uploaded. */
on("change", "input[type=file]", (event, input) => {
  const limit = Number(input.dataset.maxBytes || 0);
  const large = limit && [...input.files].find((file) => file.size > limit);
  input.setCustomValidity(large ? `${large.name} is larger than ${Math.floor(limit / 1e6)} MB.` : "");
  if (large) input.reportValidity();
});

/* An answer that is shown once must not be asked for again by a reload. */
if (document.querySelector("[data-once]")) history.replaceState(history.state, "", location.href);
