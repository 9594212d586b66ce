/* Times stay true while a page is open. accounts/formats.py writes the same words on the server. */
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function relativeTime(at, now = new Date()) {
  const distance = (now - at) / 1000;
  const s = Math.abs(distance);
  if (s < 10) return "just now";
  if (s >= 7 * 86400) return `${at.getDate()} ${MONTHS[at.getMonth()]}` + (at.getFullYear() === now.getFullYear() ? "" : ` ${at.getFullYear()}`);
  const days = Math.floor(s / 86400);
  const text = s < 60 ? `${Math.floor(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 86400 ? `${Math.floor(s / 3600)} h` : days === 1 ? "1 day" : `${days} days`;
  return distance > 0 ? `${text} ago` : `in ${text}`;
}

function duration(seconds) {
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const s = whole % 60, m = Math.floor(whole / 60) % 60, h = Math.floor(whole / 3600) % 24, d = Math.floor(whole / 86400);
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${two(m)} m`;
  return m ? `${m} m ${two(s)} s` : `${s} s`;
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function refreshTimes(scope = document) {
  for (const element of scope.querySelectorAll("time[data-when]")) {
    const at = new Date(element.dateTime);
    const text = relativeTime(at);
    if (element.textContent !== text) element.textContent = text;
    if (!element.dataset.local) { element.title = exact.format(at); element.dataset.local = "1"; }
  }
}
refreshTimes();
setInterval(refreshTimes, 30000);

/* data-clock: the time of day, in the reader's own time zone; data-clock="day" with its day. */
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

function dayTime(at, now = new Date()) {
  const year = at.getFullYear() === now.getFullYear() ? "" : ` ${at.getFullYear()}`;
  return `${DAYS[at.getDay()]} ${at.getDate()} ${MONTHS[at.getMonth()]}${year}, ${clock.format(at).slice(0, 5)}`;
}

export function refreshClocks(scope = document) {
  for (const element of scope.querySelectorAll("time[data-clock]:not([data-local])")) {
    const at = new Date(element.dateTime);
    element.textContent = element.dataset.clock === "day" ? dayTime(at) : clock.format(at);
    element.title = exact.format(at);
    element.dataset.local = "1";
  }
}
refreshClocks();

/* input[data-zone="id"]: a time beside it is typed in the reader's own time zone, which is sent along and named in that element. */
for (const input of document.querySelectorAll("input[data-zone]")) {
  input.value = new Intl.DateTimeFormat().resolvedOptions().timeZone || input.value;
  document.getElementById(input.dataset.zone).textContent = input.value.replaceAll("_", " ");
}

/* A live clock counts from when it was printed, so that a sleeping tab wakes up with the right time. */
setInterval(() => {
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    element.startedAt ??= Date.now() - Number(element.dataset.elapsed) * 1000;
    element.textContent = duration((Date.now() - element.startedAt) / 1000);
  }
}, 1000);
