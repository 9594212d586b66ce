/* Follow the tail: near the end of the activity the page scrolls along; away from it it stays, and a pill counts what
   is new. On a narrow screen the plan, the budget and the details come below that end, so it is not the page's. Where
   the person is gets asked when it matters, because the event of a scroll comes a frame after the scroll. */
import { isTyping, on, root } from "./dom.js";
import { run, runPage } from "./run-state.js";

const NEAR_END = 120;
const HOLD_MS = 500; // a page that is moved by hand is not moved by itself, or nobody came further up than NEAR_END
let holding = 0;
let unseen = 0;
let seenEnd = 0; // where the end was when it was last looked at; lines that came since move nobody away from it

/** How far down the page is when the dock, with which the activity ends, stands where it belongs. */
function endOfActivity() {
  const dock = document.querySelector(".dock");
  const stops = window.innerHeight - parseFloat(getComputedStyle(dock).bottom); // on a phone above the tab bar
  const below = dock.parentElement.getBoundingClientRect().bottom - stops;
  return Math.max(0, Math.min(window.scrollY + below, root.scrollHeight - window.innerHeight));
}

function isNearEnd() {
  const end = endOfActivity();
  return window.scrollY >= Math.min(seenEnd, end) - NEAR_END && window.scrollY <= Math.max(seenEnd, end) + NEAR_END;
}

const wantsFollow = () => document.querySelector("[data-follow]")?.checked ?? false;

function toEnd() {
  unseen = 0;
  document.getElementById("run-pill")?.remove(); // first: it takes a little room above the dock
  window.scrollTo({ top: endOfActivity() });
  seenEnd = endOfActivity();
}

export function followTail(grown) {
  if (document.getElementById("p-activity")?.hidden) return;
  if (wantsFollow() && isNearEnd() && !holding) { toEnd(); return; }
  unseen += grown;
  if (!unseen) return;
  let pill = document.getElementById("run-pill");
  if (!pill) {
    pill = document.getElementById("pill-row").content.firstElementChild.cloneNode(true);
    document.querySelector(".dock").before(pill);
  }
  pill.querySelector("span").textContent = `${unseen} new event${unseen === 1 ? "" : "s"}`;
}

const head = runPage.querySelector(".run-head");
new ResizeObserver(() => root.style.setProperty("--run-head-h", `${head.offsetHeight}px`)).observe(head);
const dock = document.querySelector(".dock");
new ResizeObserver(() => root.style.setProperty("--run-dock-h", `${dock.offsetHeight}px`)).observe(dock);
document.addEventListener("tab:shown", (event) => {
  if (event.target.id === "activity" && wantsFollow() && !run.hasEnded) toEnd();
  else window.scrollTo({ top: 0 });
});
addEventListener("scroll", () => {
  seenEnd = endOfActivity();
  if (isNearEnd()) { unseen = 0; document.getElementById("run-pill")?.remove(); }
}, { passive: true });
const letGo = () => { holding = 0; if (unseen) followTail(0); };
const hold = () => { clearTimeout(holding); holding = setTimeout(letGo, HOLD_MS); };
addEventListener("wheel", (event) => { if (event.deltaY < 0) hold(); }, { passive: true });
addEventListener("touchmove", hold, { passive: true });
addEventListener("keydown", (event) => { if (["ArrowUp", "PageUp", "Home"].includes(event.key) && !isTyping()) hold(); });
on("click", "[data-to-end]", toEnd);
on("change", "[data-follow]", (event, box) => { if (box.checked) toEnd(); });
const isFollowed = wantsFollow() && !document.getElementById("p-activity").hidden;
if (isFollowed && window.scrollY === 0) toEnd(); // a live run opens at its end; a reloaded one stays where it was
else seenEnd = endOfActivity();
