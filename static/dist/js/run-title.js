/* The state of a run where the page's own title is not in sight: in the browser's tab, and in the bar that a phone shows
   once the title is scrolled away. */
import { runPage } from "./run-state.js";

const badge = document.getElementById("run-status");
const bar = document.getElementById("run-bar");
const rest = document.title.slice(document.title.indexOf(" · "));

function sayState() {
  const words = badge.querySelector("[data-title-state]")?.dataset.titleState;
  if (words) document.title = words + rest;
  bar.querySelector("[data-run-bar-status]").replaceChildren(...[...badge.childNodes].map((node) => node.cloneNode(true)));
}

new MutationObserver(sayState).observe(badge, { childList: true, subtree: true });
sayState();
new IntersectionObserver(([title]) => {
  bar.toggleAttribute("data-shown", !title.isIntersecting && title.boundingClientRect.top < 0);
}).observe(runPage.querySelector(".run-title"));
