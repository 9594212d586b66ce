/* The team's feed: the inbox count everywhere, and a nudge for what shows runs. Rows are the truth, this is a hint:
   elements with data-live are asked to refresh, at most every two seconds, but not while something in them is chosen. */
import { ringBell } from "./bell.js";

const feedTeam = document.body.dataset.team;
let feedTries = 0;
let nudge = 0;

function showInbox(count) {
  for (const slot of document.querySelectorAll("[data-inbox-count]")) {
    slot.replaceChildren();
    if (!count) continue;
    const badge = document.createElement("span");
    badge.className = "count count-human";
    badge.textContent = count;
    const words = document.createElement("span");
    words.className = "sr-only";
    words.textContent = " waiting for you";
    badge.append(words);
    slot.append(badge);
  }
}

/* The title of the browser's tab says the same, where the page has nothing of its own to say there. */
function titleInbox(count) {
  const title = document.querySelector("title[data-count]");
  if (title) document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
}

function showRunning(isRunning) {
  for (const sign of document.querySelectorAll("[data-running]")) sign.hidden = !isRunning;
}

function showFeed(state, text) {
  for (const sign of document.querySelectorAll("[data-feed]")) {
    sign.hidden = false;
    sign.querySelector(".dot").className = `dot ${state}`;
    sign.querySelector("[data-feed-text]").textContent = text;
  }
}

function refreshLive() {
  nudge ||= setTimeout(() => {
    nudge = 0;
    for (const part of document.querySelectorAll("[data-live]")) if (!isChosenFrom(part)) part.dispatchEvent(new Event("refresh"));
  }, 2000);
}

const isChosenFrom = (part) => Boolean(part.querySelector("[data-pick]:checked"));
/* What was chosen while the answer was on its way stays too. */
document.addEventListener("htmx:before:swap", (event) => {
  if (event.target.matches?.("[data-live]") && isChosenFrom(event.target)) event.preventDefault();
});

function openFeed() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/feed/?team=${encodeURIComponent(feedTeam)}`);
  let wasHeard = false;
  socket.addEventListener("message", (event) => {
    const frame = JSON.parse(event.data);
    wasHeard = true;
    if (feedTries) refreshLive();
    feedTries = 0;
    showFeed("dot-ok", "Live");
    if (frame.kind === "inbox") { showInbox(frame.count); titleInbox(frame.count); showRunning(frame.running); refreshLive(); }
    if (frame.kind === "bell") ringBell(frame.unread);
    if (frame.kind === "run") { document.dispatchEvent(new CustomEvent("feed:run", { detail: frame })); refreshLive(); }
  });
  socket.addEventListener("close", (event) => {
    /* Closed after it was open: the person's role is another one now. With it the feed opens, or is refused at once. */
    if (event.code === 4403 && wasHeard) { openFeed(); return; }
    if ([4401, 4403, 4404].includes(event.code)) { showFeed("dot-idle", "Not live"); return; }
    feedTries += 1;
    showFeed("dot-human", "Reconnecting");
    setTimeout(openFeed, Math.min(30000, 500 * 2 ** feedTries) * (0.5 + Math.random() / 2));
  });
}
if (feedTeam) openFeed();
