/* A toast says what came of your own action. Nothing that a person must act on is a toast. */
import { on } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const sprite = () => document.querySelector("svg.icon use")?.getAttribute("href")?.split("#")[0] ?? "";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite()}#i-${name}`);
  svg.append(use);
  return svg;
}

export function toast(title, body = "", kind = "ok") {
  const box = document.createElement("div");
  box.className = kind === "bad" ? "toast toast-bad" : "toast";
  const text = document.createElement("div");
  const strong = document.createElement("strong");
  strong.textContent = title;
  text.append(strong);
  if (body) {
    const p = document.createElement("p");
    p.textContent = body;
    text.append(p);
  }
  box.append(icon(kind === "bad" ? "circle-alert" : "check"), text);
  document.getElementById("toasts")?.append(box);
  setTimeout(() => box.remove(), kind === "bad" ? 10000 : 5000);
}

on("click", "[data-dismiss]", (event, button) => button.closest(".toast,.banner")?.remove());
for (const shown of document.querySelectorAll("[data-toast-item]:not(.toast-bad)")) setTimeout(() => shown.remove(), 8000);

on("click", "[data-copy]", async (event, button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied", button.dataset.copy.length > 40 ? "" : button.dataset.copy);
  } catch {
    toast("Your browser did not allow copying", "Select the text and copy it yourself.", "bad");
  }
});
