/* Single keys: "/" finds, "g i" goes, "?" lists them. Never while typing, and a person can switch them off. */
import { openModal } from "./dialog.js";
import { isTyping, memory, on } from "./dom.js";

export const KEYS_OFF = "shortcuts-off";
let firstKey = "";
let firstKeyTimer = 0;

function followKeys(keys) {
  const link = document.querySelector(`[data-shortcut-links] [data-keys="${CSS.escape(keys)}"]`);
  if (link) location.href = link.href;
  return Boolean(link);
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || isTyping() || document.querySelector("dialog[open]")) return;
  if (memory.get(KEYS_OFF) || event.key.length !== 1) return;
  const key = event.key.toLowerCase();
  const finder = document.querySelector("[data-hotkey='/']");
  if (key === "/" && finder) { event.preventDefault(); finder.focus(); return; }
  if (key === "?") { openModal("shortcuts"); return; }
  if (followKeys(firstKey ? `${firstKey} ${key}` : key)) return;
  clearTimeout(firstKeyTimer);
  firstKey = key === "g" ? "g" : "";
  firstKeyTimer = setTimeout(() => { firstKey = ""; }, 1200);
});

for (const box of document.querySelectorAll("[data-shortcuts-switch]")) box.checked = !memory.get(KEYS_OFF);
on("change", "[data-shortcuts-switch]", (event, box) => memory.set(KEYS_OFF, box.checked ? "" : "1"));
if (!/Mac|iPhone|iPad/.test(navigator.platform)) for (const hint of document.querySelectorAll("[data-mod]")) hint.textContent = hint.textContent.replace("⌘", "Ctrl ");
