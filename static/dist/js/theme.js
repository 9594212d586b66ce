/* The server prints <html data-theme> from the cookie, so a page never flashes in the wrong colours. */
import { on, root } from "./dom.js";

function setTheme(theme) {
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  for (const box of document.querySelectorAll("[data-theme-set]")) box.setAttribute("aria-pressed", box.dataset.themeSet === theme);
}

on("click", "[data-theme-toggle]", () => setTheme(getComputedStyle(root).colorScheme === "dark" ? "light" : "dark"));
on("click", "[data-theme-set]", (event, button) => setTheme(button.dataset.themeSet));
