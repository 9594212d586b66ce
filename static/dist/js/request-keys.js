/* The keys that a request shows: A allows or approves, E edits, D refuses, C asks for changes, R rejects. Never while
   typing. */
import { isTyping, memory, on } from "./dom.js";
import { KEYS_OFF } from "./shortcuts.js";

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.repeat || isTyping() || document.querySelector("dialog[open]")) return;
  if (memory.get(KEYS_OFF)) return;
  const open = [...document.querySelectorAll("[data-request][data-status=open]")].find((one) => one.offsetParent);
  const button = open?.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button || button.matches(":disabled")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  button.click();
}, true);
on("keydown", "[data-request] textarea", (event, area) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) area.form.querySelector(".btn-primary")?.click();
});

/* "Ask for changes" without a word opens the field for it. */
on("click", "[data-needs-comment]", (event, button) => {
  const comment = button.form.elements.comment;
  if (comment.value.trim()) return;
  event.preventDefault();
  comment.closest("details").open = true;
  comment.focus();
});

/* A card that was swapped in says where the keys go: the first field of an edit, the title of a version. Never a button
   that allows something: a key that is pressed twice would press it. */
document.addEventListener("htmx:after:swap", () => {
  const next = document.querySelector("[data-request] [data-focus]");
  if (!next) return;
  next.removeAttribute("data-focus");
  next.focus();
});

/* The second click of a double click was meant for the card of before: it presses nothing in the one that took its place,
   and takes the focus from nothing in it. */
document.addEventListener("click", (event) => {
  if (event.detail < 2 || !event.target.closest?.("[data-request] button")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
let pressed;
document.addEventListener("mousedown", (event) => {
  if (event.detail > 1 && pressed?.isConnected === false) event.preventDefault();
  else pressed = event.target;
}, true);
