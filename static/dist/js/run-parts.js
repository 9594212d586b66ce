/* The parts of a run's page that come when they are looked at: timeline, log, a file, older events, the share dialog. */
import { on } from "./dom.js";
import htmx from "./htmx.js";
import { setEarlier } from "./run-apply.js";
import { run, runPage } from "./run-state.js";
import { selectTab } from "./tabs.js";
import { refreshClocks, refreshTimes } from "./time.js";
import { toast } from "./toast.js";

async function fetchPart(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok && response.status >= 500) throw new Error(response.statusText);
  return response;
}

async function loadPart(element, url) {
  const wait = setTimeout(() => element.setAttribute("aria-busy", "true"), 200);
  try {
    const response = await fetchPart(url);
    element.innerHTML = await response.text();
    element.dataset.loaded = "1";
    htmx.process(element);
    refreshTimes(element);
    refreshClocks(element);
  } catch {
    toast("That did not reach Deskhand", "Check your connection, then try again.", "bad");
  } finally {
    clearTimeout(wait);
    element.removeAttribute("aria-busy");
  }
}

function showPanel(panel) {
  if (!panel.dataset.src) return;
  if (panel.id === "p-log" && panel.dataset.loaded) { panel.querySelector(".log")?.scrollTo(0, 1e9); return; }
  loadPart(panel, panel.dataset.src).then(() => { const log = panel.querySelector(".log"); if (log) log.scrollTop = log.scrollHeight; });
}

document.addEventListener("tab:shown", (event) => {
  const panel = document.getElementById(event.target.getAttribute("aria-controls"));
  if (panel) showPanel(panel);
});
for (const panel of document.querySelectorAll("[role=tabpanel][data-src]:not([hidden])")) showPanel(panel);

// while the timeline is looked at, it grows with the run
setInterval(() => {
  const panel = document.getElementById("p-timeline");
  const isLive = "runLive" in runPage.dataset && !run.hasEnded;
  if (isLive && panel && !panel.hidden && !panel.querySelector("details[open]")) loadPart(panel, panel.dataset.src);
}, 4000);

on("click", "[data-open-modal]", (event, button) => {
  const body = document.querySelector(`#${CSS.escape(button.dataset.openModal)} [data-src]`);
  if (body) loadPart(body, body.dataset.src);
});

on("click", "[data-open-file]", (event, link) => {
  const preview = document.getElementById("file-preview");
  if (!preview || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  selectTab(document.getElementById("files"));
  for (const row of document.querySelectorAll("#run-files .row")) row.toggleAttribute("data-open", row.id === `file-${link.dataset.openFile}`);
  loadPart(preview, `artifacts/${link.dataset.openFile}/`).then(() => preview.scrollIntoView({ block: "nearest" }));
});

/* Documents of the result are read when it is looked at, each once; a picture that none of them shows stands after them. */
const documents = new Map();

async function openDocument(part) {
  const url = part.dataset.document;
  if (!documents.has(url)) {
    await loadPart(part, url);
    if (part.dataset.loaded) documents.set(url, part.innerHTML);
    return;
  }
  part.innerHTML = documents.get(url);
  part.dataset.loaded = "1";
}

async function openDocuments() {
  const result = document.getElementById("run-result");
  if (result.parentElement.hidden) return;
  const parts = [...result.querySelectorAll("[data-document]:not([data-loaded])")];
  await Promise.all(parts.map(openDocument));
  for (const picture of result.querySelectorAll("[data-picture]")) {
    const address = `artifacts/${picture.dataset.picture}/`;
    picture.hidden = [...result.querySelectorAll("img")].some((image) => !picture.contains(image) && image.src.includes(address));
  }
}
document.addEventListener("tab:shown", (event) => { if (event.target.id === "result") openDocuments(); });
document.addEventListener("run:state", openDocuments);
openDocuments();

on("click", "[data-open-tab]", (event, button) => selectTab(document.getElementById(button.dataset.openTab), { focus: true }));

on("click", "[data-earlier]", async (event, link) => {
  event.preventDefault();
  const list = document.getElementById("run-activity");
  const from = document.documentElement.scrollHeight - window.scrollY;
  try {
    const response = await fetchPart(`history/${link.getAttribute("href")}`);
    const box = document.createElement("template");
    box.innerHTML = await response.text();
    for (const line of [...box.content.children]) if (line.id && document.getElementById(line.id)) line.remove();
    list.prepend(box.content);
    setEarlier(response.headers.get("X-First-Seq"));
    refreshClocks(list);
    window.scrollTo({ top: document.documentElement.scrollHeight - from });
  } catch {
    location.href = link.href;
  }
});

on("click", "[data-earlier-log]", async (event, link) => {
  event.preventDefault();
  const response = await fetchPart(link.getAttribute("href"));
  document.getElementById("run-log").insertAdjacentHTML("afterbegin", await response.text());
  const first = Number(response.headers.get("X-First-Seq"));
  link.parentElement.hidden = first <= 1;
  link.href = `log/?before=${first}`;
  refreshClocks(document.getElementById("run-log"));
});

function filterLog() {
  const words = document.querySelector("[data-log-find]")?.value.toLowerCase() ?? "";
  const problems = document.querySelector("[data-log-problems]")?.checked;
  for (const line of document.querySelectorAll("#run-log > div")) {
    line.hidden = (problems && !line.dataset.l) || !line.textContent.toLowerCase().includes(words);
  }
}
on("input", "[data-log-find]", filterLog);
on("change", "[data-log-problems]", filterLog);
