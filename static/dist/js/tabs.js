/* Tabs with roving tabindex and arrow keys; the chosen one sits in the URL's hash, so that a link opens it. */
import { on } from "./dom.js";

export function selectTab(tab, { focus = false, remember = true } = {}) {
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

/** Select the tab that the URL's hash names. Called when everything that listens to "tab:shown" is there. */
export function openLinkedTab() {
  const tab = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (tab && tab.getAttribute("role") === "tab") selectTab(tab, { remember: false });
}
