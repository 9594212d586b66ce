/* ⌘K: every page and action of the team, and its agents, tasks, runs and files, found by typing. */
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
    const isFound = option.closest("#palette-more")?.dataset.q === text; // the server looked into more than is shown
    option.hidden = !isFound && !words.every((word) => said.includes(word));
  }
  for (const group of document.querySelectorAll("#palette [role=group]")) group.hidden = !group.querySelector("[role=option]:not([hidden])");
  const shown = paletteOptions();
  document.querySelector("[data-palette-none]").hidden = shown.length > 0;
  markOption(shown[0]);
}

let searchTimer = 0;

/** Ask the server for what the team has of it, soon after the last key; an answer to an older question is dropped. */
function searchTeam(input) {
  clearTimeout(searchTimer);
  const more = document.getElementById("palette-more");
  if (!more) return;
  searchTimer = setTimeout(async () => {
    const text = input.value;
    try {
      const response = await fetch(`${more.getAttribute("hx-get")}?q=${encodeURIComponent(text)}`, { headers: { "HX-Request": "true" } });
      if (!response.ok) return;
      const found = new DOMParser().parseFromString(await response.text(), "text/html");
      if (input.value !== text) return;
      more.replaceChildren(...found.body.childNodes);
      more.dataset.q = text;
      filterPalette(text);
    } catch { /* what is on the page can still be found */ }
  }, 150);
}

on("input", "[data-palette-input]", (event, input) => { filterPalette(input.value); searchTeam(input); });
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
  if (input.value) { input.value = ""; searchTeam(input); }
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
