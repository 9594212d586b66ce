/* Going through a list: J and K open the next and the previous entry, X selects the open one. Never while typing. */
import { isTyping, memory } from "./dom.js";
import { KEYS_OFF } from "./shortcuts.js";

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.repeat || isTyping() || document.querySelector("dialog[open]")) return;
  if (memory.get(KEYS_OFF)) return;
  const key = event.key.toLowerCase();
  if (key === "x") {
    const box = document.querySelector(".askrow[data-open] [data-pick]");
    if (!box) return;
    event.preventDefault();
    box.click();
    return;
  }
  const link = document.querySelector(`[data-keys-list="${CSS.escape(key)}"], [data-keys-run="${CSS.escape(key)}"]`);
  if (!link) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  link.click();
}, true);
/* The open request is in sight in the list. */
document.querySelector(".asks .askrow[data-open]")?.scrollIntoView({ block: "nearest" });
