/* A radio button with data-shows="id" shows that element and hides those of its neighbours. */
import { on } from "./dom.js";

on("change", "input[data-shows]", (event, input) => {
  for (const other of document.querySelectorAll(`input[name="${CSS.escape(input.name)}"][data-shows]`)) {
    document.getElementById(other.dataset.shows)?.toggleAttribute("hidden", other !== input);
  }
});
