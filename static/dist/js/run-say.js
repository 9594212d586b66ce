/* A word to a live run: Ctrl or Cmd with Enter sends, and what was typed outlives a reload or a new sign-in. */
import { on } from "./dom.js";
import { announce, runPage } from "./run-state.js";

const sayArea = () => document.getElementById("run-say-text");

function keepSaid(text) {
  try {
    if (text) sessionStorage.setItem(`say-${runPage.dataset.run}`, text);
    else sessionStorage.removeItem(`say-${runPage.dataset.run}`);
  } catch { /* forgotten */ }
}

function checkSaid(area) {
  const max = Number(area.dataset.maxChars);
  const length = area.value.length > max ? [...area.value.trim()].length : 0;
  const long = `This is ${length.toLocaleString("en")} characters long. The agent can be told ${max.toLocaleString("en")} at a time.`;
  area.setCustomValidity(length > max ? long : "");
}

if (sayArea()) {
  on("keydown", "#run-say-text", (event, area) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey) || event.isComposing) return;
    event.preventDefault();
    area.form.requestSubmit();
  });
  on("input", "#run-say-text", (event, area) => { checkSaid(area); keepSaid(area.value); });
  on("submit", "#run-say", () => { sayArea().readOnly = true; }); // the answer takes the place of the whole form
  document.addEventListener("htmx:finally:request", () => { sayArea().readOnly = false; });
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target.id !== "run-say") return;
    keepSaid(sayArea().value);
    sayArea().focus();
    if (!document.getElementById("run-say-problem")) announce(document.getElementById("run-say-how").textContent);
  });
  try { sayArea().value ||= sessionStorage.getItem(`say-${runPage.dataset.run}`) ?? ""; } catch { /* nothing kept */ }
}
