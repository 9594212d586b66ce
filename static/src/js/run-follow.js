/* Follow the tail: near the end the page scrolls along; further up it stays, and a pill counts what is new. */
const NEAR_END = 120;
let unseen = 0;
let wasNearEnd = true;

const isNearEnd = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - NEAR_END;
const wantsFollow = () => document.querySelector("[data-follow]")?.checked ?? false;

function toEnd() {
  window.scrollTo({ top: document.documentElement.scrollHeight });
  unseen = 0;
  document.getElementById("run-pill")?.remove();
}

function followTail(grown) {
  if (document.getElementById("p-activity")?.hidden) return;
  if (wasNearEnd && wantsFollow()) { toEnd(); return; }
  unseen += grown;
  if (!unseen) return;
  let pill = document.getElementById("run-pill");
  if (!pill) {
    pill = document.getElementById("pill-row").content.firstElementChild.cloneNode(true);
    document.getElementById("run-dock").before(pill);
  }
  pill.querySelector("span").textContent = `${unseen} new event${unseen === 1 ? "" : "s"}`;
}

if (runPage) {
  const head = runPage.querySelector(".run-head");
  new ResizeObserver(() => root.style.setProperty("--run-head-h", `${head.offsetHeight}px`)).observe(head);
  const dock = document.getElementById("run-dock");
  new ResizeObserver(() => root.style.setProperty("--run-dock-h", `${dock.offsetHeight}px`)).observe(dock);
  document.addEventListener("tab:shown", (event) => {
    if (event.target.id === "activity" && wantsFollow() && !runHasEnded) toEnd();
    else window.scrollTo({ top: 0 });
  });
  addEventListener("scroll", () => {
    wasNearEnd = isNearEnd();
    if (wasNearEnd) { unseen = 0; document.getElementById("run-pill")?.remove(); }
  }, { passive: true });
  on("click", "[data-to-end]", toEnd);
  on("change", "[data-follow]", (event, box) => { if (box.checked) toEnd(); });
}
