/* Choosing rows of a table: a box for all on the page, how many are chosen, and buttons that need a certain number. */
import { on } from "./dom.js";

function showPicks(form) {
  const boxes = [...form.querySelectorAll("[data-pick]:not(:disabled)")];
  const count = boxes.filter((box) => box.checked).length;
  for (const all of form.querySelectorAll("[data-pick-all]")) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
  for (const words of form.querySelectorAll("[data-picked]")) words.textContent = `${count} chosen`;
  for (const words of form.querySelectorAll("[data-picked-one]")) words.textContent = count === 1 ? words.dataset.pickedOne : words.dataset.pickedMany.replace("%", count);
  for (const button of form.querySelectorAll("[data-needs-picks]")) button.disabled = !count;
  for (const button of form.querySelectorAll("[data-needs]")) button.disabled = count !== Number(button.dataset.needs);
}
on("change", "[data-pick]", (event, box) => showPicks(box.form));
on("change", "[data-pick-all]", (event, all) => {
  for (const box of all.form.querySelectorAll("[data-pick]")) box.checked = all.checked;
  showPicks(all.form);
});
for (const form of document.querySelectorAll("form.picks")) showPicks(form);
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form.picks")) showPicks(form); });
