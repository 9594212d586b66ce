/* The keys that a request shows: A allows or approves, D refuses, C asks for changes, R rejects. Never while typing. */
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

/* "Edit the request" opens below what can be seen: its first field comes up and takes the keys. "toggle" does not bubble. */
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".edit-call[open]")) event.target.querySelector("input, textarea")?.focus();
}, true);
