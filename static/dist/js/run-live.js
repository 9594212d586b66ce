/* The page of a run, live: history is on the page, the socket brings what comes after data-seq, each event once and in
   order. A connection that breaks is opened again from the last event that was shown; nothing is lost meanwhile. */
import { applyBlocks, countLists, parseBlocks, trimLines } from "./run-apply.js";
import { followTail } from "./run-follow.js";
import { announce, run, runPage } from "./run-state.js";
import { refreshClocks, refreshTimes } from "./time.js";
import { icon } from "./toast.js";

const RUN_WORDS = {
  4401: ["Sign in again to watch", "Your session ended. The agent keeps working."],
  4403: ["This browser may not watch here", "Reload the page. If that does not help, ask a team admin."],
  4404: ["This run is not yours to see any more", "It was deleted, or your place in the team has changed."],
  4429: ["Too many pages are open", "Close a few Deskhand tabs, then reload this one."],
};
let runTries = 0;
let settledStep = 0;
let mayGoOn = false; // it failed, so somebody may continue it: the socket stays open after the end
let stateTimer = 0;
let stateAbort = null;

function setConnection(state, text) {
  const sign = document.getElementById("run-connection");
  sign.dataset.state = state;
  sign.querySelector("[data-connection-text]").textContent = text;
}

function setBanner(title = "", body = "", button = "") {
  const box = document.getElementById("run-banner");
  box.hidden = !title;
  box.replaceChildren();
  if (!title) return;
  box.className = "banner banner-human";
  const words = document.createElement("div");
  const strong = document.createElement("strong");
  strong.textContent = `${title}. `;
  words.append(strong, body);
  box.append(icon("wifi-off"), words);
  if (!button) return;
  const again = document.createElement("button");
  again.type = "button";
  again.className = "btn btn-sm";
  again.textContent = button;
  again.addEventListener("click", () => { clearTimeout(runRetry); connectRun(); });
  box.append(again);
}

/** What only the server knows: the forms for this person, the answer, what can be done now. */
function loadState() {
  stateTimer ||= setTimeout(async () => {
    stateTimer = 0;
    stateAbort?.abort();
    stateAbort = new AbortController();
    try {
      const response = await fetch("state/", { headers: { "HX-Request": "true" }, signal: stateAbort.signal });
      if (!response.ok) return;
      const html = await response.text();
      run.numbersSeq = Math.max(run.numbersSeq, Number(response.headers.get("X-Last-Seq")));
      applyBlocks(parseBlocks(html), Infinity);
      refreshTimes(runPage);
      refreshClocks(runPage);
      document.dispatchEvent(new CustomEvent("run:state"));
      announceAsk();
      followTail(0);
    } catch { /* the next event asks again */ }
  }, 60);
}

function announceAsk() {
  const asked = document.querySelector("#run-dock [data-request][data-status=open] h2");
  if (asked) announce(`Needs you: ${asked.textContent}`);
}

const arrived = [];
let flushTimer = 0;

/** Frames of one moment change the page together, so that a burst costs one layout and not hundreds. */
function takeFrame(frame) {
  arrived.push(frame);
  flushTimer ||= setTimeout(flushFrames, 16);
}

function flushFrames() {
  clearTimeout(flushTimer);
  flushTimer = 0;
  if (!arrived.length) return;
  const lines = document.getElementById("run-activity");
  const before = lines.children.length;
  let wantsState = false;
  for (const frame of arrived.splice(0)) wantsState = showFrame(frame) || wantsState;
  if (wantsState) loadState();
  const grown = lines.children.length - before;
  trimLines(lines);
  countLists();
  refreshClocks(runPage);
  followTail(grown);
}

/** Whether the frame changes something that only the server knows. */
function showFrame(frame) {
  if (frame.kind === "delta") { showDelta(frame); return false; }
  if (frame.kind === "end") { endRun(frame.status); return false; }
  if (frame.kind !== "event" || frame.seq <= run.seq) return false;
  if (frame.seq > run.seq + 1) { reopenRun(); return false; }
  run.seq = frame.seq;
  if (frame.type === "run.continued" && run.hasEnded) { run.hasEnded = false; setConnection("live", "Live"); loadState(); }
  if (frame.type === "model.finished") settledStep = frame.data.step;
  const wantsState = applyBlocks(parseBlocks(frame.html ?? ""), frame.seq);
  if (frame.type === "run.finished") endRun(frame.data.status);
  return wantsState;
}

/** Text as the model writes it. The stored message takes its place. */
function showDelta(frame) {
  if (Number(frame.step) <= settledStep) return;
  let row = document.getElementById("run-typing");
  if (!row) {
    row = document.getElementById("typing-row").content.firstElementChild.cloneNode(true);
    document.getElementById("run-activity").append(row);
  }
  row.querySelector("[data-typing]").append(frame.text);
}

function endRun(status) {
  if (run.hasEnded) return;
  run.hasEnded = true;
  mayGoOn = status === "failed";
  setConnection("history", "History");
  setBanner();
  announce(`The run has ended: ${status.replace("_", " ")}.`);
  loadState();
}

/** A run that had ended was continued: the page takes it up from the last event that it shows. */
function reviveRun() {
  if (mayGoOn && runSocket?.readyState === WebSocket.OPEN) return; // it brings the news itself
  run.hasEnded = false;
  runPage.dataset.runLive = "";
  setConnection("away", "Reconnecting");
  connectRun();
  loadState();
}

// ---- The connection

let runSocket = null;
let runRetry = 0;
let hasOpened = false;

function reopenRun() { runSocket?.close(); }

function connectRun() {
  flushFrames();
  if (run.hasEnded && !mayGoOn) return;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${runPage.dataset.socket}?as=html&stay=true&after=${run.seq}`);
  runSocket = socket;
  socket.addEventListener("message", (event) => {
    if (socket !== runSocket) return;
    if (!run.hasEnded && (runTries || !hasOpened)) { runTries = 0; hasOpened = true; setBanner(); setConnection("live", "Live"); }
    takeFrame(JSON.parse(event.data));
  });
  socket.addEventListener("close", (event) => {
    if (socket !== runSocket) return;
    if (run.hasEnded) {
      if (mayGoOn && event.code !== 1000 && !RUN_WORDS[event.code]) runRetry = setTimeout(connectRun, 5000 + Math.random() * 5000);
      return;
    }
    const words = RUN_WORDS[event.code];
    if (words) { setConnection("away", "Not live"); setBanner(...words); return; }
    runTries += 1;
    if (!hasOpened && runTries >= 3) { pollRun(); return; }
    retryLater();
  });
}

function retryLater() {
  const wait = Math.min(20000, 300 * 2 ** Math.min(runTries, 7)) * (0.6 + Math.random() * 0.4);
  if (runTries > 1) {
    setConnection("away", "Reconnecting");
    const seconds = Math.max(1, Math.round(wait / 1000));
    const why = navigator.onLine ? `Connection lost, trying again in ${seconds} s` : "This device is offline";
    setBanner(why, `The agent keeps working; nothing is lost. You will catch up from event ${run.seq + 1}.`, "Reconnect now");
  }
  runRetry = setTimeout(connectRun, wait);
}

/** Where no socket gets through, ask every two seconds. */
async function pollRun() {
  if (run.hasEnded) return;
  try {
    flushFrames();
    const response = await fetch(`frames/?after=${run.seq}`, { headers: { "HX-Request": "true" } });
    if ([401, 403, 404].includes(response.status)) { setBanner(...RUN_WORDS[response.status + 4000]); return; }
    if (!response.ok) throw new Error(response.statusText);
    const { frames } = await response.json();
    setConnection("live", "Every 2 s");
    setBanner();
    frames.forEach(takeFrame);
    setTimeout(pollRun, frames.length ? 100 : 2000);
  } catch {
    setConnection("away", "Reconnecting");
    setBanner("Connection lost", "The agent keeps working; nothing is lost.");
    setTimeout(pollRun, 4000);
  }
}

if ("runLive" in runPage.dataset) connectRun();
/* While it is queued, every start and end of another run may move it up the line. */
let lineTimer = 0;
document.addEventListener("feed:run", ({ detail }) => {
  if (document.querySelector("[data-in-line]")) lineTimer ||= setTimeout(() => { lineTimer = 0; loadState(); }, 2000);
  const isOver = run.hasEnded || !("runLive" in runPage.dataset);
  if (isOver && detail.run === runPage.dataset.run && detail.status === "queued") reviveRun();
});
addEventListener("online", () => { if (runTries) { clearTimeout(runRetry); connectRun(); } });
document.addEventListener("htmx:after:swap", (event) => { if (event.target.closest?.("#run-dock")) loadState(); });
