/* The parts of app.js share one module scope: `make css` joins the files of this folder in the order of their names.
   Everything is delegated, so what htmx swaps in works without being set up. */
const root = document.documentElement;

/** Call `handler(event, element)` for events on anything that matches `selector`, now and later. */
function on(type, selector, handler) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) handler(event, element);
  });
}

/** Whether keys go into a field now. A field in a dialog that has just closed keeps the focus for a moment. */
function isTyping() {
  const focused = document.activeElement;
  return Boolean(focused?.matches("input, textarea, select, [contenteditable=true]") && !focused.closest("dialog:not([open])"));
}

/** What a person chose here before; a browser that forbids storage just forgets. */
const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* forgotten */ } },
};

const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(name + "="))?.slice(name.length + 1);
