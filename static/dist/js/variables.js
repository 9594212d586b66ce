/* The task editor: each {{name}} in the prompt gets a row as it is written. Rows that nobody filled in go with their name. */
import { on } from "./dom.js";

const PLACE = /\{\{\s*([a-z][a-z0-9_]{0,39})\s*\}\}/g;

const rowName = (row) => row.querySelector("input[name$='-name']").value.trim();
const isTakenOut = (row) => row.querySelector("input[name$='-DELETE']").checked;

function addVariable(box, name) {
  const total = box.querySelector("input[name$='-TOTAL_FORMS']");
  const row = box.querySelector("[data-variable-template]").content.querySelector("[data-variable]").cloneNode(true);
  for (const element of [row, ...row.querySelectorAll("*")]) {
    for (const attribute of ["name", "id", "for", "aria-describedby"]) {
      const value = element.getAttribute(attribute);
      if (value) element.setAttribute(attribute, value.replaceAll("__prefix__", total.value));
    }
  }
  total.value = Number(total.value) + 1;
  row.querySelector("input[name$='-name']").value = name;
  row.dataset.fresh = "1";
  box.querySelector("[data-variable-rows]").append(row);
}

function findVariables(prompt) {
  const box = document.querySelector("[data-variables]");
  const names = [...new Set([...prompt.value.matchAll(PLACE)].map((match) => match[1]))];
  const rows = [...box.querySelectorAll("[data-variable]")];
  for (const row of rows) {
    const isUsed = names.includes(rowName(row));
    if (!isUsed && row.dataset.fresh && !row.dataset.touched) { row.querySelector("input[name$='-DELETE']").checked = true; row.hidden = true; }
    if (isUsed && row.hidden) { row.querySelector("input[name$='-DELETE']").checked = false; row.hidden = false; }
    row.toggleAttribute("data-unused", !isUsed && rowName(row) !== "");
  }
  const known = rows.filter((row) => !isTakenOut(row)).map(rowName);
  for (const name of names) if (!known.includes(name)) addVariable(box, name);
  box.querySelector("[data-variable-none]").classList.toggle("is-shown", !box.querySelector("[data-variable]:not([hidden])"));
}

let variableTimer = 0;
on("input", "textarea[data-prompt]", (event, prompt) => {
  clearTimeout(variableTimer);
  variableTimer = setTimeout(() => findVariables(prompt), 400);
});
on("input", "[data-variable]", (event, row) => { row.dataset.touched = "1"; });
on("change", "[data-variable] select[name$='-type']", (event, select) => { select.closest("[data-variable]").dataset.kind = select.value; });
for (const prompt of document.querySelectorAll("textarea[data-prompt]")) findVariables(prompt);
