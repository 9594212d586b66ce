/* Native dialogs. A button with data-open-modal may also be a link to a page that asks the same without JavaScript. */
import { on, root } from "./dom.js";

export function openModal(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  closeMenus();
  dialog.showModal();
  dialog.querySelector("[autofocus]")?.focus();
}

on("click", "[data-open-modal]", (event, button) => {
  if (!document.getElementById(button.dataset.openModal)) return;
  event.preventDefault();
  openModal(button.dataset.openModal);
});
on("click", "[data-close-modal]", (event, button) => button.closest("dialog")?.close());
document.addEventListener("click", (event) => { if (event.target.nodeName === "DIALOG") event.target.close(); });

/* Menus are <details data-menu>: they open without JavaScript; here they also close again. */
function closeMenus(except) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) if (menu !== except) menu.open = false;
}
document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details[data-menu]")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
});

/* The sidebar is a drawer below 960 px. */
function setDrawer(isOpen) {
  const sidebar = document.getElementById("sidebar");
  if (!sidebar) return;
  sidebar.dataset.open = isOpen;
  root.classList.toggle("drawer-open", isOpen);
  if (isOpen) sidebar.querySelector("a,button,summary")?.focus();
}
on("click", "[data-nav-open]", () => setDrawer(true));
on("click", "[data-nav-close]", () => setDrawer(false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && root.classList.contains("drawer-open")) {
    setDrawer(false);
    document.querySelector("[data-nav-open]")?.focus();
  }
});
