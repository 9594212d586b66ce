/* The bell: its count comes with the page and then over the feed; what hangs below it is read when it is opened, and
   again when it changes while it is open. */
export function ringBell(count) {
  for (const slot of document.querySelectorAll("[data-bell-count]")) {
    slot.replaceChildren();
    if (!count) continue;
    const badge = document.createElement("span");
    badge.className = "count";
    badge.textContent = count > 99 ? "99+" : count;
    const words = document.createElement("span");
    words.className = "sr-only";
    words.textContent = " unread";
    badge.append(words);
    slot.append(badge);
  }
  for (const menu of document.querySelectorAll("[data-bell][open] [data-bell-menu]")) menu.dispatchEvent(new Event("refresh"));
}
/* "toggle" does not bubble. */
document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("[data-bell][open]")) event.target.querySelector("[data-bell-menu]").dispatchEvent(new Event("refresh"));
}, true);
