/* Helpers that every module may use. Handlers are delegated, so what htmx swaps in works without being set up. */
export const root = document.documentElement;

/** Call `handler(event, element)` for events on anything that matches `selector`, now and later. */
export function on(type, selector, handler) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) handler(event, element);
  });
}

/** Whether keys go into a field now. A field in a dialog that has just closed keeps the focus for a moment. */
export function isTyping() {
  const focused = document.activeElement;
  return Boolean(focused?.matches("input, textarea, select, [contenteditable=true]") && !focused.closest("dialog:not([open])"));
}

/** What a person chose here before; a browser that forbids storage just forgets. */
export const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* forgotten */ } },
};

export const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(name + "="))?.slice(name.length + 1);
