/* On a phone the row of tabs is wider than the screen: the page that is open is in sight, with a bit of both neighbours. */
for (const row of document.querySelectorAll("nav.tabs")) {
  const open = row.querySelector("[aria-current=page]");
  if (open) row.scrollLeft = open.offsetLeft - row.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;
}
