/* What the modules of a run's page know together: the element of the page, how far it has come, and what it says aloud. */
export const runPage = document.querySelector("[data-run]");
export const run = {
  seq: Number(runPage.dataset.seq), // the last event that the page shows
  numbersSeq: Number(runPage.dataset.seq), // the numbers on the page count every event up to this one
  hasEnded: false,
};

export function announce(text) {
  const region = document.getElementById("run-announce");
  if (region.textContent !== text) region.textContent = text;
}
