/* Tabs with roving tabindex and arrow keys; the chosen one sits in the URL's hash, so that a link opens it. */
function selectTab(tab, { focus = false, remember = true } = {}) {
  for (const other of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const isOn = other === tab;
    other.setAttribute("aria-selected", isOn);
    other.tabIndex = isOn ? 0 : -1;
    const panel = document.getElementById(other.getAttribute("aria-controls"));
    if (panel) panel.hidden = !isOn;
  }
  if (focus) tab.focus();
  if (remember && tab.id) history.replaceState(history.state, "", "#" + tab.id);
  tab.dispatchEvent(new CustomEvent("tab:shown", { bubbles: true }));
}

on("click", "[role=tab]", (event, tab) => selectTab(tab));
on("keydown", "[role=tab]", (event, tab) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
  selectTab(all[(all.indexOf(tab) + step + all.length) % all.length], { focus: true });
  event.preventDefault();
});
const linkedTab = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
if (linkedTab && linkedTab.getAttribute("role") === "tab") selectTab(linkedTab, { remember: false });

/* On a phone the row of tabs is wider than the screen: the page that is open is in sight, with a bit of both neighbours. */
for (const row of document.querySelectorAll("nav.tabs")) {
  const open = row.querySelector("[aria-current=page]");
  if (open) row.scrollLeft = open.offsetLeft - row.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;
}
