/* What a fragment of the live view changes on the page: see tasks/fragments. Each block names its target and how it swaps. */
import htmx from "./htmx.js";
import { run } from "./run-state.js";

const RUN_LINES_MAX = 500;

export function parseBlocks(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  return [...box.content.querySelectorAll("template[data-target]")];
}

/** Append, or take the place of an element that has the same id. */
function upsert(list, content) {
  for (const element of [...content.children]) {
    const present = element.id && document.getElementById(element.id);
    if (present && present !== element) present.replaceWith(element);
    else list.append(element);
  }
}

const swaps = {
  append: (target, content) => upsert(target, content),
  inner: (target, content) => target.replaceChildren(content),
  outer: (target, content) => target.replaceWith(content),
  remove: (target) => target.remove(),
  text: (target, content, seq) => { if (seq > run.numbersSeq || target.id === "run-seq") target.textContent = content.textContent; },
  value: (target, content, seq) => { if (seq > run.numbersSeq) target.querySelector("progress").value = Number(content.textContent.replace(/[$,]/g, "")); },
  add: (target, content, seq) => {
    if (seq <= run.numbersSeq) return;
    target.dataset.n = Number(target.dataset.n) + Number(content.textContent);
    target.textContent = compact(Number(target.dataset.n));
  },
  dock: (target, content) => {
    const next = content.querySelector("[data-request]")?.dataset.request;
    const present = target.querySelector("[data-request]");
    if (next && present?.dataset.request === next && present.dataset.status === "open") return; // someone may be writing in it
    target.replaceChildren(content);
    htmx.process(target);
  },
};

export function applyBlocks(blocks, seq) {
  let wantsState = false;
  for (const block of blocks) {
    if (block.dataset.swap === "load") { wantsState = true; continue; }
    const target = document.getElementById(block.dataset.target);
    if (!target || (block.dataset.unless && document.getElementById(block.dataset.unless))) continue;
    swaps[block.dataset.swap]?.(target, block.content, seq);
  }
  return wantsState;
}

function compact(n) {
  if (n < 10000) return Math.round(n).toLocaleString("en");
  return n < 999950 ? `${(n / 1000).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}

/** Old lines leave the page at its top; "Show earlier events" brings them back. */
export function trimLines(list) {
  let isCut = false;
  while (list.children.length > RUN_LINES_MAX) { list.firstElementChild.remove(); isCut = true; }
  if (isCut) setEarlier(list.firstElementChild.dataset.seq);
}

export function setEarlier(seq) {
  const box = document.getElementById("run-earlier");
  box.hidden = Number(seq) <= 1;
  box.querySelector("a").href = `?before=${seq}`;
}

export function countLists() {
  for (const count of document.querySelectorAll("[data-count-of]")) {
    count.textContent = document.getElementById(count.dataset.countOf)?.children.length ?? "";
  }
}
