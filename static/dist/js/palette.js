/* ⌘K: every page and action of the team, found by typing. */
import { openModal } from "./dialog.js";
import { on } from "./dom.js";

const paletteOptions = (all) => [...document.querySelectorAll(`#palette [role=option]${all ? "" : ":not([hidden])"}`)];

function markOption(option) {
  for (const other of paletteOptions(true)) other.setAttribute("aria-selected", other === option);
  document.querySelector("[data-palette-input]")?.setAttribute("aria-activedescendant", option?.id ?? "");
  option?.scrollIntoView({ block: "nearest" });
}

function filterPalette(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const option of paletteOptions(true)) {
    const said = option.textContent.toLowerCase();
    option.hidden = !words.every((word) => said.includes(word));
  }
  for (const group of document.querySelectorAll("#palette [role=group]")) group.hidden = !group.querySelector("[role=option]:not([hidden])");
  const shown = paletteOptions();
  document.querySelector("[data-palette-none]").hidden = shown.length > 0;
  markOption(shown[0]);
}

on("input", "[data-palette-input]", (event, input) => filterPalette(input.value));
on("keydown", "[data-palette-input]", (event, input) => {
  const shown = paletteOptions();
  const at = shown.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && shown.length) {
    markOption(shown[(at + step + shown.length) % shown.length]);
    event.preventDefault();
  } else if (event.key === "Enter" && shown[at]) {
    event.preventDefault();
    location.href = shown[at].href;
  }
});

function openPalette() {
  const input = document.querySelector("[data-palette-input]");
  if (!input) return;
  input.value = "";
  filterPalette("");
  openModal("palette");
  document.getElementById("palette-more").dispatchEvent(new Event("open"));
}
document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && document.getElementById("palette")) {
    event.preventDefault();
    openPalette();
  }
});
on("click", "[data-open-modal=palette]", openPalette);
/* The team's agents, tasks and runs come a moment later; keep what was typed and marked by then. */
document.addEventListener("htmx:after:swap", () => {
  const input = document.querySelector("#palette[open] [data-palette-input]");
  if (input) filterPalette(input.value);
});
