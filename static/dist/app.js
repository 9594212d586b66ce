/* The parts of app.js share one module scope: `make css` joins the files of this folder in the order of their names.
   Everything is delegated, so what htmx swaps in works without being set up. */
const root = document.documentElement;

/** Call `handler(event, element)` for events on anything that matches `selector`, now and later. */
function on(type, selector, handler) {
  document.addEventListener(type, (event) => {
    const element = event.target.closest?.(selector);
    if (element) handler(event, element);
  });
}

/** Whether keys go into a field now. A field in a dialog that has just closed keeps the focus for a moment. */
function isTyping() {
  const focused = document.activeElement;
  return Boolean(focused?.matches("input, textarea, select, [contenteditable=true]") && !focused.closest("dialog:not([open])"));
}

/** What a person chose here before; a browser that forbids storage just forgets. */
const memory = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* forgotten */ } },
};

const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(name + "="))?.slice(name.length + 1);
/* The bell: its count comes with the page and then over the feed; what hangs below it is read when it is opened, and
   again when it changes while it is open. */
function ringBell(count) {
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
/* A radio button with data-shows="id" shows that element and hides those of its neighbours. */
on("change", "input[data-shows]", (event, input) => {
  for (const other of document.querySelectorAll(`input[name="${CSS.escape(input.name)}"][data-shows]`)) {
    document.getElementById(other.dataset.shows)?.toggleAttribute("hidden", other !== input);
  }
});
/* Native dialogs. A button with data-open-modal may also be a link to a page that asks the same without JavaScript. */
function openModal(id) {
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
/* The team's feed: the inbox count everywhere, and a nudge for what shows runs. Rows are the truth, this is a hint:
   elements with data-live are asked to refresh, at most every two seconds, but not while something in them is chosen. */
const feedTeam = document.body.dataset.team;
let feedTries = 0;
let nudge = 0;

function showInbox(count) {
  for (const slot of document.querySelectorAll("[data-inbox-count]")) {
    slot.replaceChildren();
    if (!count) continue;
    const badge = document.createElement("span");
    badge.className = "count count-human";
    badge.textContent = count;
    const words = document.createElement("span");
    words.className = "sr-only";
    words.textContent = " waiting for you";
    badge.append(words);
    slot.append(badge);
  }
}

function showRunning(isRunning) {
  for (const sign of document.querySelectorAll("[data-running]")) sign.hidden = !isRunning;
}

function showFeed(state, text) {
  for (const sign of document.querySelectorAll("[data-feed]")) {
    sign.hidden = false;
    sign.querySelector(".dot").className = `dot ${state}`;
    sign.querySelector("[data-feed-text]").textContent = text;
  }
}

function refreshLive() {
  nudge ||= setTimeout(() => {
    nudge = 0;
    for (const part of document.querySelectorAll("[data-live]")) if (!isChosenFrom(part)) part.dispatchEvent(new Event("refresh"));
  }, 2000);
}

const isChosenFrom = (part) => Boolean(part.querySelector("[data-pick]:checked"));
/* What was chosen while the answer was on its way stays too. */
document.addEventListener("htmx:before:swap", (event) => {
  if (event.target.matches?.("[data-live]") && isChosenFrom(event.target)) event.preventDefault();
});

function openFeed() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/feed/?team=${encodeURIComponent(feedTeam)}`);
  let wasHeard = false;
  socket.addEventListener("message", (event) => {
    const frame = JSON.parse(event.data);
    wasHeard = true;
    if (feedTries) refreshLive();
    feedTries = 0;
    showFeed("dot-ok", "Live");
    if (frame.kind === "inbox") { showInbox(frame.count); showRunning(frame.running); refreshLive(); }
    if (frame.kind === "bell") ringBell(frame.unread);
    if (frame.kind === "run") { document.dispatchEvent(new CustomEvent("feed:run", { detail: frame })); refreshLive(); }
  });
  socket.addEventListener("close", (event) => {
    /* Closed after it was open: the person's role is another one now. With it the feed opens, or is refused at once. */
    if (event.code === 4403 && wasHeard) { openFeed(); return; }
    if ([4401, 4403, 4404].includes(event.code)) { showFeed("dot-idle", "Not live"); return; }
    feedTries += 1;
    showFeed("dot-human", "Reconnecting");
    setTimeout(openFeed, Math.min(30000, 500 * 2 ** feedTries) * (0.5 + Math.random() / 2));
  });
}
if (feedTeam) openFeed();
/* Without a network the browser would put its own error page over what was typed. A Deskhand on this very machine answers
   all the same, so it is asked first. */
async function answers() {
  try { return (await fetch("/health/live/", { cache: "no-store" })).ok; } catch { return false; }
}
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (navigator.onLine || event.defaultPrevented || form.dataset.reached || form.method === "dialog" || form.hasAttribute("hx-post")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (await answers()) {
    form.dataset.reached = "1";
    form.requestSubmit(event.submitter);
  } else {
    toast("You are offline", "Nothing was sent, and what you typed is still here. Try again when you are connected.", "bad");
  }
});

/* A form is sent once, its button keeps its label while busy, and what was typed is not lost by accident. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.sent && !form.hasAttribute("hx-post")) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  (event.submitter ?? form.querySelector("[type=submit],button:not([type])"))?.setAttribute("aria-busy", "true");
});

function releaseForms(scope = document) {
  for (const form of scope.querySelectorAll("form[data-sent],form[data-reached]")) { delete form.dataset.sent; delete form.dataset.reached; }
  for (const button of scope.querySelectorAll("form [aria-busy=true]")) button.removeAttribute("aria-busy");
}
addEventListener("pageshow", (event) => { if (event.persisted) releaseForms(); });
document.addEventListener("htmx:finally:request", () => releaseForms());

/* data-dirty: a bar with "Save" appears once something has changed, and leaving asks first. */
function markDirty(form, isDirty) {
  form.dataset.isDirty = isDirty ? "1" : "";
  for (const bar of form.querySelectorAll("[data-savebar]")) bar.hidden = !isDirty;
}
for (const type of ["input", "change"]) on(type, "form[data-dirty]", (event, form) => markDirty(form, true));
on("reset", "form[data-dirty]", (event, form) => markDirty(form, false));
on("submit", "form[data-dirty]", (event, form) => { form.dataset.isDirty = ""; });
addEventListener("beforeunload", (event) => { if (document.querySelector("form[data-is-dirty='1']")) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  const form = document.querySelector("form[data-dirty]");
  if (form && (event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "s") { event.preventDefault(); form.requestSubmit(); }
});

/* A filter applies itself; without JavaScript the form has a button. */
on("change", "form[data-autosubmit]", (event, form) => form.requestSubmit());

/* data-max-bytes: say that a file is too large before anything is uploaded. */
on("change", "input[type=file]", (event, input) => {
  const limit = Number(input.dataset.maxBytes || 0);
  const large = limit && [...input.files].find((file) => file.size > limit);
  input.setCustomValidity(large ? `${large.name} is larger than ${Math.floor(limit / 1e6)} MB.` : "");
  if (large) input.reportValidity();
});

/* An answer that is shown once must not be asked for again by a reload. */
if (document.querySelector("[data-once]")) history.replaceState(history.state, "", location.href);
/* htmx sends Django's token with every unsafe request, and an answer that never came is said, not swallowed. */
document.addEventListener("htmx:config:request", (event) => {
  const request = event.detail.ctx.request;
  if (/^(GET|HEAD)$/i.test(request.method)) return;
  const token = cookie("csrftoken") ?? cookie("__Host-csrftoken");
  if (token) request.headers["X-CSRFToken"] = token;
});
/* A session that ended answers with the sign-in page: that is a page, not a part of this one. */
document.addEventListener("htmx:before:response", (event) => {
  const { redirected, url } = event.detail.ctx.response.raw;
  if (!redirected || !new URL(url).pathname.startsWith("/accounts/")) return;
  event.preventDefault();
  location.reload();
});
document.addEventListener("htmx:error", () => toast("That did not reach Deskhand", "Check your connection, then try again.", "bad"));
document.addEventListener("htmx:after:swap", () => { refreshTimes(); refreshClocks(); });
/* ⌘K: every page and action of the team, found by typing. */
const paletteOptions = (all) => [...document.querySelectorAll(`#palette [role=option]${all ? "" : ":not([hidden])"}`)];

function markOption(option) {
  for (const other of paletteOptions(true)) other.setAttribute("aria-selected", other === option);
  document.querySelector("[data-palette-input]")?.setAttribute("aria-activedescendant", option?.id ?? "");
  option?.scrollIntoView({ block: "nearest" });
}

function filterPalette(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const option of paletteOptions(true)) {
    const said = option.textContent.toLowerCase();
    option.hidden = !words.every((word) => said.includes(word));
  }
  for (const group of document.querySelectorAll("#palette [role=group]")) group.hidden = !group.querySelector("[role=option]:not([hidden])");
  const shown = paletteOptions();
  document.querySelector("[data-palette-none]").hidden = shown.length > 0;
  markOption(shown[0]);
}

on("input", "[data-palette-input]", (event, input) => filterPalette(input.value));
on("keydown", "[data-palette-input]", (event, input) => {
  const shown = paletteOptions();
  const at = shown.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && shown.length) {
    markOption(shown[(at + step + shown.length) % shown.length]);
    event.preventDefault();
  } else if (event.key === "Enter" && shown[at]) {
    event.preventDefault();
    location.href = shown[at].href;
  }
});

function openPalette() {
  const input = document.querySelector("[data-palette-input]");
  if (!input) return;
  input.value = "";
  filterPalette("");
  openModal("palette");
  document.getElementById("palette-more").dispatchEvent(new Event("open"));
}
document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && document.getElementById("palette")) {
    event.preventDefault();
    openPalette();
  }
});
on("click", "[data-open-modal=palette]", openPalette);
/* The team's agents, tasks and runs come a moment later; keep what was typed and marked by then. */
document.addEventListener("htmx:after:swap", () => {
  const input = document.querySelector("#palette[open] [data-palette-input]");
  if (input) filterPalette(input.value);
});
/* Passkeys: a button with data-passkey ("create" or "get") asks the browser for one and sends its answer in the form.
   What the server wants is in the JSON of #passkey-options, or behind the address in data-options-from. */
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const toText = (buffer) =>
  buffer ? btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : null;

/* Browsers have no passkeys for an address of numbers. */
const mayUsePasskeys = Boolean(globalThis.PublicKeyCredential) && !/^[\d.]+$|:|^\[/.test(location.hostname);
for (const part of document.querySelectorAll("[data-passkey-part]")) part.hidden = !mayUsePasskeys;
for (const part of document.querySelectorAll("[data-no-passkey-part]")) part.hidden = mayUsePasskeys;

async function passkeyOptions(button) {
  if (!button.dataset.optionsFrom) return JSON.parse(document.getElementById("passkey-options").textContent).publicKey;
  const answer = await fetch(button.dataset.optionsFrom, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status === 429 ? "That was often. Wait a minute, then try again." : "The server did not answer.");
  return (await answer.json()).request_options.publicKey;
}

function withBytes(asked) {
  const ids = (list) => list?.map((item) => ({ ...item, id: toBytes(item.id) }));
  return {
    ...asked,
    challenge: toBytes(asked.challenge),
    ...(asked.user && { user: { ...asked.user, id: toBytes(asked.user.id) } }),
    ...(asked.excludeCredentials && { excludeCredentials: ids(asked.excludeCredentials) }),
    ...(asked.allowCredentials && { allowCredentials: ids(asked.allowCredentials) }),
  };
}

function inWords(passkey) {
  const said = passkey.response;
  const response = { clientDataJSON: toText(said.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
    if (said[name]) response[name] = toText(said[name]);
  return {
    id: passkey.id,
    rawId: toText(passkey.rawId),
    type: passkey.type,
    authenticatorAttachment: passkey.authenticatorAttachment ?? null,
    response,
    clientExtensionResults: passkey.getClientExtensionResults(),
  };
}

/** A passkey that signs in alone must be findable without a name, and check its owner by itself. */
function forUse(asked, isAlone) {
  const residentKey = isAlone ? "required" : "discouraged";
  const selection = { ...asked.authenticatorSelection, residentKey, requireResidentKey: isAlone };
  return { ...asked, authenticatorSelection: isAlone ? { ...selection, userVerification: "required" } : selection };
}

on("click", "[data-passkey]", async (event, button) => {
  event.preventDefault();
  const form = button.form;
  const wrong = form.querySelector("[data-passkey-error]");
  wrong.hidden = true;
  button.setAttribute("aria-busy", "true");
  try {
    const asked = withBytes(await passkeyOptions(button));
    const passkey = button.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: forUse(asked, Boolean(form.elements.passwordless?.checked)) })
      : await navigator.credentials.get({ publicKey: asked });
    form.elements.credential.value = JSON.stringify(inWords(passkey));
    form.submit();
  } catch (error) {
    button.removeAttribute("aria-busy");
    const known = { NotAllowedError: "That was cancelled, or took too long. Try again.", InvalidStateError: "This passkey is there already." };
    wrong.lastElementChild.textContent = known[error.name] ?? error.message;
    wrong.hidden = false;
  }
});
/* Choosing rows of a table: a box for all on the page, how many are chosen, and buttons that need a certain number. */
function showPicks(form) {
  const boxes = [...form.querySelectorAll("[data-pick]")];
  const count = boxes.filter((box) => box.checked).length;
  for (const all of form.querySelectorAll("[data-pick-all]")) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
  for (const words of form.querySelectorAll("[data-picked]")) words.textContent = `${count} chosen`;
  for (const button of form.querySelectorAll("[data-needs]")) button.disabled = count !== Number(button.dataset.needs);
}
on("change", "[data-pick]", (event, box) => showPicks(box.form));
on("change", "[data-pick-all]", (event, all) => {
  for (const box of all.form.querySelectorAll("[data-pick]")) box.checked = all.checked;
  showPicks(all.form);
});
for (const form of document.querySelectorAll("form.picks")) showPicks(form);
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form.picks")) showPicks(form); });
/* The keys that a request shows: A allows or approves, E edits, D refuses, C asks for changes, R rejects. Never while
   typing. */
document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || event.repeat || isTyping() || document.querySelector("dialog[open]")) return;
  if (memory.get(KEYS_OFF)) return;
  const open = [...document.querySelectorAll("[data-request][data-status=open]")].find((one) => one.offsetParent);
  const button = open?.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!button || button.matches(":disabled")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  button.click();
}, true);
on("keydown", "[data-request] textarea", (event, area) => {
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) area.form.querySelector(".btn-primary")?.click();
});

/* "Ask for changes" without a word opens the field for it. */
on("click", "[data-needs-comment]", (event, button) => {
  const comment = button.form.elements.comment;
  if (comment.value.trim()) return;
  event.preventDefault();
  comment.closest("details").open = true;
  comment.focus();
});

/* A card that was swapped in says where the keys go: the first field of an edit, the title of a version. Never a button
   that allows something: a key that is pressed twice would press it. */
document.addEventListener("htmx:after:swap", () => {
  const next = document.querySelector("[data-request] [data-focus]");
  if (!next) return;
  next.removeAttribute("data-focus");
  next.focus();
});

/* The second click of a double click was meant for the card of before: it presses nothing in the one that took its place,
   and takes the focus from nothing in it. */
document.addEventListener("click", (event) => {
  if (event.detail < 2 || !event.target.closest?.("[data-request] button")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
let pressed;
document.addEventListener("mousedown", (event) => {
  if (event.detail > 1 && pressed?.isConnected === false) event.preventDefault();
  else pressed = event.target;
}, true);
/* What a fragment of the live view changes on the page: see tasks/fragments. Each block names its target and how it swaps. */
const runPage = document.querySelector("[data-run]");
const RUN_LINES_MAX = 500;
let runNumbersSeq = 0; // the numbers on the page count every event up to this one

function parseBlocks(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  return [...box.content.querySelectorAll("template[data-target]")];
}

/** Append, or take the place of an element that has the same id. */
function upsert(list, content) {
  for (const element of [...content.children]) {
    const present = element.id && document.getElementById(element.id);
    if (present && present !== element) present.replaceWith(element);
    else list.append(element);
  }
}

const swaps = {
  append: (target, content) => upsert(target, content),
  inner: (target, content) => target.replaceChildren(content),
  outer: (target, content) => target.replaceWith(content),
  remove: (target) => target.remove(),
  text: (target, content, seq) => { if (seq > runNumbersSeq || target.id === "run-seq") target.textContent = content.textContent; },
  value: (target, content, seq) => { if (seq > runNumbersSeq) target.querySelector("progress").value = Number(content.textContent.replace(/[$,]/g, "")); },
  add: (target, content, seq) => {
    if (seq <= runNumbersSeq) return;
    target.dataset.n = Number(target.dataset.n) + Number(content.textContent);
    target.textContent = compact(Number(target.dataset.n));
  },
  dock: (target, content) => {
    const next = content.querySelector("[data-request]")?.dataset.request;
    const present = target.querySelector("[data-request]");
    if (next && present?.dataset.request === next && present.dataset.status === "open") return; // someone may be writing in it
    target.replaceChildren(content);
    htmx.process(target);
  },
};

function applyBlocks(blocks, seq) {
  let wantsState = false;
  for (const block of blocks) {
    if (block.dataset.swap === "load") { wantsState = true; continue; }
    const target = document.getElementById(block.dataset.target);
    if (!target || (block.dataset.unless && document.getElementById(block.dataset.unless))) continue;
    swaps[block.dataset.swap]?.(target, block.content, seq);
  }
  return wantsState;
}

function compact(n) {
  if (n < 10000) return Math.round(n).toLocaleString("en");
  return n < 999950 ? `${(n / 1000).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}

/** Old lines leave the page at its top; "Show earlier events" brings them back. */
function trimLines(list) {
  let isCut = false;
  while (list.children.length > RUN_LINES_MAX) { list.firstElementChild.remove(); isCut = true; }
  if (isCut) setEarlier(list.firstElementChild.dataset.seq);
}

function setEarlier(seq) {
  const box = document.getElementById("run-earlier");
  box.hidden = Number(seq) <= 1;
  box.querySelector("a").href = `?before=${seq}`;
}

function countLists() {
  for (const count of document.querySelectorAll("[data-count-of]")) {
    count.textContent = document.getElementById(count.dataset.countOf)?.children.length ?? "";
  }
}
/* Follow the tail: near the end of the activity the page scrolls along; away from it it stays, and a pill counts what
   is new. On a narrow screen the plan, the budget and the details come below that end, so it is not the page's. Where
   the person is gets asked when it matters, because the event of a scroll comes a frame after the scroll. */
const NEAR_END = 120;
const HOLD_MS = 500; // a page that is moved by hand is not moved by itself, or nobody came further up than NEAR_END
let holding = 0;
let unseen = 0;
let seenEnd = 0; // where the end was when it was last looked at; lines that came since move nobody away from it

/** How far down the page is when the dock, with which the activity ends, stands where it belongs. */
function endOfActivity() {
  const dock = document.querySelector(".dock");
  const stops = window.innerHeight - parseFloat(getComputedStyle(dock).bottom); // on a phone above the tab bar
  const below = dock.parentElement.getBoundingClientRect().bottom - stops;
  return Math.max(0, Math.min(window.scrollY + below, root.scrollHeight - window.innerHeight));
}

function isNearEnd() {
  const end = endOfActivity();
  return window.scrollY >= Math.min(seenEnd, end) - NEAR_END && window.scrollY <= Math.max(seenEnd, end) + NEAR_END;
}

const wantsFollow = () => document.querySelector("[data-follow]")?.checked ?? false;

function toEnd() {
  unseen = 0;
  document.getElementById("run-pill")?.remove(); // first: it takes a little room above the dock
  window.scrollTo({ top: endOfActivity() });
  seenEnd = endOfActivity();
}

function followTail(grown) {
  if (document.getElementById("p-activity")?.hidden) return;
  if (wantsFollow() && isNearEnd() && !holding) { toEnd(); return; }
  unseen += grown;
  if (!unseen) return;
  let pill = document.getElementById("run-pill");
  if (!pill) {
    pill = document.getElementById("pill-row").content.firstElementChild.cloneNode(true);
    document.querySelector(".dock").before(pill);
  }
  pill.querySelector("span").textContent = `${unseen} new event${unseen === 1 ? "" : "s"}`;
}

if (runPage) {
  const head = runPage.querySelector(".run-head");
  new ResizeObserver(() => root.style.setProperty("--run-head-h", `${head.offsetHeight}px`)).observe(head);
  const dock = document.querySelector(".dock");
  new ResizeObserver(() => root.style.setProperty("--run-dock-h", `${dock.offsetHeight}px`)).observe(dock);
  document.addEventListener("tab:shown", (event) => {
    if (event.target.id === "activity" && wantsFollow() && !runHasEnded) toEnd();
    else window.scrollTo({ top: 0 });
  });
  addEventListener("scroll", () => {
    seenEnd = endOfActivity();
    if (isNearEnd()) { unseen = 0; document.getElementById("run-pill")?.remove(); }
  }, { passive: true });
  const letGo = () => { holding = 0; if (unseen) followTail(0); };
  const hold = () => { clearTimeout(holding); holding = setTimeout(letGo, HOLD_MS); };
  addEventListener("wheel", (event) => { if (event.deltaY < 0) hold(); }, { passive: true });
  addEventListener("touchmove", hold, { passive: true });
  addEventListener("keydown", (event) => { if (["ArrowUp", "PageUp", "Home"].includes(event.key) && !isTyping()) hold(); });
  on("click", "[data-to-end]", toEnd);
  on("change", "[data-follow]", (event, box) => { if (box.checked) toEnd(); });
  if (wantsFollow() && window.scrollY === 0) toEnd(); // a live run opens at its end; a reloaded one stays where it was
  else seenEnd = endOfActivity();
}
/* The page of a run, live: history is on the page, the socket brings what comes after data-seq, each event once and in
   order. A connection that breaks is opened again from the last event that was shown; nothing is lost meanwhile. */
const RUN_WORDS = {
  4401: ["Sign in again to watch", "Your session ended. The agent keeps working."],
  4403: ["This browser may not watch here", "Reload the page. If that does not help, ask a team admin."],
  4404: ["This run is not yours to see any more", "It was deleted, or your place in the team has changed."],
  4429: ["Too many pages are open", "Close a few Deskhand tabs, then reload this one."],
};
let runSeq = Number(runPage?.dataset.seq ?? 0);
let runTries = 0;
let runHasEnded = false;
let settledStep = 0;
let stateTimer = 0;
let stateAbort = null;

function setConnection(state, text) {
  const sign = document.getElementById("run-connection");
  sign.dataset.state = state;
  sign.querySelector("[data-connection-text]").textContent = text;
}

function setBanner(title = "", body = "", button = "") {
  const box = document.getElementById("run-banner");
  box.hidden = !title;
  box.replaceChildren();
  if (!title) return;
  box.className = "banner banner-human";
  const words = document.createElement("div");
  const strong = document.createElement("strong");
  strong.textContent = `${title}. `;
  words.append(strong, body);
  box.append(icon("wifi-off"), words);
  if (!button) return;
  const again = document.createElement("button");
  again.type = "button";
  again.className = "btn btn-sm";
  again.textContent = button;
  again.addEventListener("click", () => { clearTimeout(runRetry); connectRun(); });
  box.append(again);
}

/** What only the server knows: the forms for this person, the answer, what can be done now. */
function loadState() {
  stateTimer ||= setTimeout(async () => {
    stateTimer = 0;
    stateAbort?.abort();
    stateAbort = new AbortController();
    try {
      const response = await fetch("state/", { headers: { "HX-Request": "true" }, signal: stateAbort.signal });
      if (!response.ok) return;
      const html = await response.text();
      runNumbersSeq = Math.max(runNumbersSeq, Number(response.headers.get("X-Last-Seq")));
      applyBlocks(parseBlocks(html), Infinity);
      refreshTimes(runPage);
      announceAsk();
      followTail(0);
    } catch { /* the next event asks again */ }
  }, 60);
}

function announce(text) {
  const region = document.getElementById("run-announce");
  if (region.textContent !== text) region.textContent = text;
}

function announceAsk() {
  const asked = document.querySelector("#run-dock [data-request][data-status=open] h2");
  if (asked) announce(`Needs you: ${asked.textContent}`);
}

const arrived = [];
let flushTimer = 0;

/** Frames of one moment change the page together, so that a burst costs one layout and not hundreds. */
function takeFrame(frame) {
  arrived.push(frame);
  flushTimer ||= setTimeout(flushFrames, 16);
}

function flushFrames() {
  clearTimeout(flushTimer);
  flushTimer = 0;
  if (!arrived.length) return;
  const lines = document.getElementById("run-activity");
  const before = lines.children.length;
  let wantsState = false;
  for (const frame of arrived.splice(0)) wantsState = showFrame(frame) || wantsState;
  if (wantsState) loadState();
  const grown = lines.children.length - before;
  trimLines(lines);
  countLists();
  refreshClocks(runPage);
  followTail(grown);
}

/** Whether the frame changes something that only the server knows. */
function showFrame(frame) {
  if (frame.kind === "delta") { showDelta(frame); return false; }
  if (frame.kind === "end") { endRun(frame.status); return false; }
  if (frame.kind !== "event" || frame.seq <= runSeq) return false;
  if (frame.seq > runSeq + 1) { reopenRun(); return false; }
  runSeq = frame.seq;
  if (frame.type === "model.finished") settledStep = frame.data.step;
  const wantsState = applyBlocks(parseBlocks(frame.html ?? ""), frame.seq);
  if (frame.type === "run.finished") endRun(frame.data.status);
  return wantsState;
}

/** Text as the model writes it. The stored message takes its place. */
function showDelta(frame) {
  if (Number(frame.step) <= settledStep) return;
  let row = document.getElementById("run-typing");
  if (!row) {
    row = document.getElementById("typing-row").content.firstElementChild.cloneNode(true);
    document.getElementById("run-activity").append(row);
  }
  row.querySelector("[data-typing]").append(frame.text);
}

function endRun(status) {
  if (runHasEnded) return;
  runHasEnded = true;
  setConnection("history", "History");
  setBanner();
  announce(`The run has ended: ${status.replace("_", " ")}.`);
  loadState();
}

/** A run that had ended was continued: the page takes it up from the last event that it shows. */
function reviveRun() {
  runHasEnded = false;
  runPage.dataset.runLive = "";
  setConnection("away", "Reconnecting");
  connectRun();
  loadState();
}

// ---- The connection

let runSocket = null;
let runRetry = 0;
let hasOpened = false;

function reopenRun() { runSocket?.close(); }

function connectRun() {
  flushFrames();
  if (runHasEnded) return;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${runPage.dataset.socket}?as=html&after=${runSeq}`);
  runSocket = socket;
  socket.addEventListener("message", (event) => {
    if (socket !== runSocket) return;
    if (runTries || !hasOpened) { runTries = 0; hasOpened = true; setBanner(); setConnection("live", "Live"); }
    takeFrame(JSON.parse(event.data));
  });
  socket.addEventListener("close", (event) => {
    if (socket !== runSocket || runHasEnded) return;
    const words = RUN_WORDS[event.code];
    if (words) { setConnection("away", "Not live"); setBanner(...words); return; }
    runTries += 1;
    if (!hasOpened && runTries >= 3) { pollRun(); return; }
    retryLater();
  });
}

function retryLater() {
  const wait = Math.min(20000, 300 * 2 ** Math.min(runTries, 7)) * (0.6 + Math.random() * 0.4);
  if (runTries > 1) {
    setConnection("away", "Reconnecting");
    const seconds = Math.max(1, Math.round(wait / 1000));
    const why = navigator.onLine ? `Connection lost, trying again in ${seconds} s` : "This device is offline";
    setBanner(why, `The agent keeps working; nothing is lost. You will catch up from event ${runSeq + 1}.`, "Reconnect now");
  }
  runRetry = setTimeout(connectRun, wait);
}

/** Where no socket gets through, ask every two seconds. */
async function pollRun() {
  if (runHasEnded) return;
  try {
    flushFrames();
    const response = await fetch(`frames/?after=${runSeq}`, { headers: { "HX-Request": "true" } });
    if ([401, 403, 404].includes(response.status)) { setBanner(...RUN_WORDS[response.status + 4000]); return; }
    if (!response.ok) throw new Error(response.statusText);
    const { frames } = await response.json();
    setConnection("live", "Every 2 s");
    setBanner();
    frames.forEach(takeFrame);
    setTimeout(pollRun, frames.length ? 100 : 2000);
  } catch {
    setConnection("away", "Reconnecting");
    setBanner("Connection lost", "The agent keeps working; nothing is lost.");
    setTimeout(pollRun, 4000);
  }
}

if (runPage) {
  runNumbersSeq = runSeq;
  if ("runLive" in runPage.dataset) connectRun();
  document.addEventListener("feed:run", ({ detail }) => {
    const isOver = runHasEnded || !("runLive" in runPage.dataset);
    if (isOver && detail.run === runPage.dataset.run && detail.status === "queued") reviveRun();
  });
  addEventListener("online", () => { if (runTries) { clearTimeout(runRetry); connectRun(); } });
  document.addEventListener("htmx:after:swap", (event) => { if (event.target.closest?.("#run-dock")) loadState(); });
}
/* The parts of a run's page that come when they are looked at: timeline, log, a file, older events, the share dialog. */
async function fetchPart(url) {
  const response = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!response.ok && response.status >= 500) throw new Error(response.statusText);
  return response;
}

async function loadPart(element, url) {
  const wait = setTimeout(() => element.setAttribute("aria-busy", "true"), 200);
  try {
    const response = await fetchPart(url);
    element.innerHTML = await response.text();
    element.dataset.loaded = "1";
    htmx.process(element);
    refreshTimes(element);
    refreshClocks(element);
  } catch {
    toast("That did not reach Deskhand", "Check your connection, then try again.", "bad");
  } finally {
    clearTimeout(wait);
    element.removeAttribute("aria-busy");
  }
}

function showPanel(panel) {
  if (!panel.dataset.src) return;
  if (panel.id === "p-log" && panel.dataset.loaded) { panel.querySelector(".log")?.scrollTo(0, 1e9); return; }
  loadPart(panel, panel.dataset.src).then(() => { const log = panel.querySelector(".log"); if (log) log.scrollTop = log.scrollHeight; });
}

document.addEventListener("tab:shown", (event) => {
  const panel = document.getElementById(event.target.getAttribute("aria-controls"));
  if (panel) showPanel(panel);
});
for (const panel of document.querySelectorAll("[role=tabpanel][data-src]:not([hidden])")) showPanel(panel);

// while the timeline is looked at, it grows with the run
setInterval(() => {
  const panel = document.getElementById("p-timeline");
  const isLive = runPage && "runLive" in runPage.dataset && !runHasEnded;
  if (isLive && panel && !panel.hidden && !panel.querySelector("details[open]")) loadPart(panel, panel.dataset.src);
}, 4000);

on("click", "[data-open-modal]", (event, button) => {
  const body = document.querySelector(`#${CSS.escape(button.dataset.openModal)} [data-src]`);
  if (body) loadPart(body, body.dataset.src);
});

on("click", "[data-open-file]", (event, link) => {
  const preview = document.getElementById("file-preview");
  if (!preview || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  selectTab(document.getElementById("files"));
  for (const row of document.querySelectorAll("#run-files .row")) row.toggleAttribute("data-open", row.id === `file-${link.dataset.openFile}`);
  loadPart(preview, `artifacts/${link.dataset.openFile}/`).then(() => preview.scrollIntoView({ block: "nearest" }));
});

on("click", "[data-earlier]", async (event, link) => {
  event.preventDefault();
  const list = document.getElementById("run-activity");
  const from = document.documentElement.scrollHeight - window.scrollY;
  try {
    const response = await fetchPart(`history/${link.getAttribute("href")}`);
    const box = document.createElement("template");
    box.innerHTML = await response.text();
    for (const line of [...box.content.children]) if (line.id && document.getElementById(line.id)) line.remove();
    list.prepend(box.content);
    setEarlier(response.headers.get("X-First-Seq"));
    refreshClocks(list);
    window.scrollTo({ top: document.documentElement.scrollHeight - from });
  } catch {
    location.href = link.href;
  }
});

on("click", "[data-earlier-log]", async (event, link) => {
  event.preventDefault();
  const response = await fetchPart(link.getAttribute("href"));
  document.getElementById("run-log").insertAdjacentHTML("afterbegin", await response.text());
  const first = Number(response.headers.get("X-First-Seq"));
  link.parentElement.hidden = first <= 1;
  link.href = `log/?before=${first}`;
  refreshClocks(document.getElementById("run-log"));
});

function filterLog() {
  const words = document.querySelector("[data-log-find]")?.value.toLowerCase() ?? "";
  const problems = document.querySelector("[data-log-problems]")?.checked;
  for (const line of document.querySelectorAll("#run-log > div")) {
    line.hidden = (problems && !line.dataset.l) || !line.textContent.toLowerCase().includes(words);
  }
}
on("input", "[data-log-find]", filterLog);
on("change", "[data-log-problems]", filterLog);
/* A word to a live run: Ctrl or Cmd with Enter sends, and what was typed outlives a reload or a new sign-in. */
const sayArea = () => document.getElementById("run-say-text");

function keepSaid(text) {
  try {
    if (text) sessionStorage.setItem(`say-${runPage.dataset.run}`, text);
    else sessionStorage.removeItem(`say-${runPage.dataset.run}`);
  } catch { /* forgotten */ }
}

function checkSaid(area) {
  const max = Number(area.dataset.maxChars);
  const length = area.value.length > max ? [...area.value.trim()].length : 0;
  const long = `This is ${length.toLocaleString("en")} characters long. The agent can be told ${max.toLocaleString("en")} at a time.`;
  area.setCustomValidity(length > max ? long : "");
}

if (runPage && sayArea()) {
  on("keydown", "#run-say-text", (event, area) => {
    if (event.key !== "Enter" || !(event.metaKey || event.ctrlKey) || event.isComposing) return;
    event.preventDefault();
    area.form.requestSubmit();
  });
  on("input", "#run-say-text", (event, area) => { checkSaid(area); keepSaid(area.value); });
  on("submit", "#run-say", () => { sayArea().readOnly = true; }); // the answer takes the place of the whole form
  document.addEventListener("htmx:finally:request", () => { sayArea().readOnly = false; });
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target.id !== "run-say") return;
    keepSaid(sayArea().value);
    sayArea().focus();
    if (!document.getElementById("run-say-problem")) announce(document.getElementById("run-say-how").textContent);
  });
  try { sayArea().value ||= sessionStorage.getItem(`say-${runPage.dataset.run}`) ?? ""; } catch { /* nothing kept */ }
}
/* Single keys: "/" finds, "g i" goes, "?" lists them. Never while typing, and a person can switch them off. */
const KEYS_OFF = "shortcuts-off";
let firstKey = "";
let firstKeyTimer = 0;

function followKeys(keys) {
  const link = document.querySelector(`[data-shortcut-links] [data-keys="${CSS.escape(keys)}"]`);
  if (link) location.href = link.href;
  return Boolean(link);
}

document.addEventListener("keydown", (event) => {
  if (event.metaKey || event.ctrlKey || event.altKey || isTyping() || document.querySelector("dialog[open]")) return;
  if (memory.get(KEYS_OFF) || event.key.length !== 1) return;
  const key = event.key.toLowerCase();
  const finder = document.querySelector("[data-hotkey='/']");
  if (key === "/" && finder) { event.preventDefault(); finder.focus(); return; }
  if (key === "?") { openModal("shortcuts"); return; }
  if (followKeys(firstKey ? `${firstKey} ${key}` : key)) return;
  clearTimeout(firstKeyTimer);
  firstKey = key === "g" ? "g" : "";
  firstKeyTimer = setTimeout(() => { firstKey = ""; }, 1200);
});

for (const box of document.querySelectorAll("[data-shortcuts-switch]")) box.checked = !memory.get(KEYS_OFF);
on("change", "[data-shortcuts-switch]", (event, box) => memory.set(KEYS_OFF, box.checked ? "" : "1"));
if (!/Mac|iPhone|iPad/.test(navigator.platform)) for (const hint of document.querySelectorAll("[data-mod]")) hint.textContent = hint.textContent.replace("⌘", "Ctrl ");
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
/* The server prints <html data-theme> from the cookie, so a page never flashes in the wrong colours. */
function setTheme(theme) {
  root.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  for (const box of document.querySelectorAll("[data-theme-set]")) box.setAttribute("aria-pressed", box.dataset.themeSet === theme);
}

on("click", "[data-theme-toggle]", () => setTheme(getComputedStyle(root).colorScheme === "dark" ? "light" : "dark"));
on("click", "[data-theme-set]", (event, button) => setTheme(button.dataset.themeSet));
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

function refreshTimes(scope = document) {
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

function refreshClocks(scope = document) {
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
/* A toast says what came of your own action. Nothing that a person must act on is a toast. */
const SVG = "http://www.w3.org/2000/svg";
const sprite = () => document.querySelector("svg.icon use")?.getAttribute("href")?.split("#")[0] ?? "";

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite()}#i-${name}`);
  svg.append(use);
  return svg;
}

function toast(title, body = "", kind = "ok") {
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
/* input[data-uploads]: each chosen file is sent at once, with its progress; the form then carries only its id. A form that
   is sent while files are on their way goes when they are there. Without JavaScript the files go with the form. */
function addUpload(box, input, file) {
  const row = box.querySelector("[data-upload-row]").content.firstElementChild.cloneNode(true);
  row.querySelector("[data-name]").textContent = file.name;
  row.querySelector("[data-size]").textContent = fileSize(file.size);
  row.querySelector("[data-upload-remove]").setAttribute("aria-label", `Remove ${file.name}`);
  row.send = () => sendUpload(row, box, input, file);
  box.querySelector("[data-uploads-list]").append(row);
  const limit = Number(input.dataset.maxBytes);
  if (limit && file.size > limit) failUpload(row, `Larger than ${fileSize(limit)}`, false);
  else row.send();
}

function sendUpload(row, box, input, file) {
  const request = new XMLHttpRequest();
  showUpload(row, request, "");
  request.open("POST", box.dataset.uploadUrl);
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", input.form.elements.csrfmiddlewaretoken.value);
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => { row.querySelector("progress").value = event.loaded / event.total; });
  request.addEventListener("load", () => (request.status === 201 ? finishUpload(row, input, request.response) : failUpload(row, refusal(request.status), request.status !== 413)));
  request.addEventListener("error", () => failUpload(row, "Did not reach Deskhand", true));
  const form = new FormData();
  form.append("file", file);
  request.send(form);
}

const refusal = (status) => ({ 413: "Too large", 503: "The file store does not answer" })[status] ?? "Was not accepted";

function finishUpload(row, input, stored) {
  const id = document.createElement("input");
  id.type = "hidden";
  id.name = input.dataset.uploads;
  id.value = stored.id;
  row.querySelector("progress").replaceWith(id);
  delete row.upload;
  uploadsChanged(row.closest("form"));
}

function failUpload(row, why, isWorthRetrying) {
  showUpload(row, null, why);
  row.querySelector("[data-upload-retry]").hidden = !isWorthRetrying;
  uploadsChanged(row.closest("form"));
}

/** The row of a file that `request` carries, or that failed because of `why`. */
function showUpload(row, request, why) {
  row.upload = request;
  row.classList.toggle("is-bad", Boolean(why));
  const words = row.querySelector("[data-why]");
  words.textContent = why;
  words.hidden = !why;
  row.querySelector("progress").hidden = Boolean(why);
  row.querySelector("[data-upload-retry]").hidden = true;
}

function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999950 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Once the form's button was pressed: say what it waits for, send it when nothing is missing, stop at what failed. */
function uploadsChanged(form) {
  const line = form?.querySelector("[data-uploads-wait]");
  if (!line) return;
  const rows = [...form.querySelectorAll("[data-uploads-list] li")];
  const failed = rows.filter((row) => row.matches(".is-bad"));
  const busy = rows.filter((row) => row.upload);
  const pressed = form.pressed;
  if (!pressed) { line.hidden ||= !failed.length; return; }
  line.hidden = !failed.length && !busy.length;
  line.textContent = failed.length ? notArrived(failed.length) : onTheWay(busy.length);
  pressed.button?.setAttribute("aria-busy", String(!failed.length));
  if (failed.length || !busy.length) delete form.pressed;
  if (failed.length) failed[0].querySelector("button:not([hidden])").focus();
  else if (!busy.length) form.requestSubmit(pressed.button);
}

const notArrived = (files) => (files > 1 ? `${files} files did not arrive. Retry or remove them, then start again.` : "1 file did not arrive. Retry or remove it, then start again.");
const onTheWay = (files) => (files > 1 ? `${files} files are still on their way. It starts when they are there.` : "1 file is still on its way. It starts when it is there.");

on("change", "input[data-uploads]", (event, input) => {
  for (const file of [...input.files]) addUpload(input.closest("[data-uploads-box]"), input, file);
  input.value = "";
});
on("click", "[data-upload-remove]", (event, button) => {
  const row = button.closest("li");
  const form = row.closest("form");
  row.upload?.abort();
  row.remove();
  uploadsChanged(form);
});
on("click", "[data-upload-retry]", (event, button) => {
  const row = button.closest("li");
  row.send();
  uploadsChanged(row.closest("form"));
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  const isMissing = [...form.querySelectorAll("[data-uploads-list] li")].some((row) => row.upload || row.matches(".is-bad"));
  if (!isMissing) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  form.pressed = { button: event.submitter };
  uploadsChanged(form);
}, true);
/* The task editor: each {{name}} in the prompt gets a row as it is written. Rows that nobody filled in go with their name. */
const PLACE = /\{\{\s*([a-z][a-z0-9_]{0,39})\s*\}\}/g;

const rowName = (row) => row.querySelector("input[name$='-name']").value.trim();
const isTakenOut = (row) => row.querySelector("input[name$='-DELETE']").checked;

function addVariable(box, name) {
  const total = box.querySelector("input[name$='-TOTAL_FORMS']");
  const row = box.querySelector("[data-variable-template]").content.querySelector("[data-variable]").cloneNode(true);
  for (const element of [row, ...row.querySelectorAll("*")]) {
    for (const attribute of ["name", "id", "for", "aria-describedby"]) {
      const value = element.getAttribute(attribute);
      if (value) element.setAttribute(attribute, value.replaceAll("__prefix__", total.value));
    }
  }
  total.value = Number(total.value) + 1;
  row.querySelector("input[name$='-name']").value = name;
  row.dataset.fresh = "1";
  box.querySelector("[data-variable-rows]").append(row);
}

function findVariables(prompt) {
  const box = document.querySelector("[data-variables]");
  const names = [...new Set([...prompt.value.matchAll(PLACE)].map((match) => match[1]))];
  const rows = [...box.querySelectorAll("[data-variable]")];
  for (const row of rows) {
    const isUsed = names.includes(rowName(row));
    if (!isUsed && row.dataset.fresh && !row.dataset.touched) { row.querySelector("input[name$='-DELETE']").checked = true; row.hidden = true; }
    if (isUsed && row.hidden) { row.querySelector("input[name$='-DELETE']").checked = false; row.hidden = false; }
    row.toggleAttribute("data-unused", !isUsed && rowName(row) !== "");
  }
  const known = rows.filter((row) => !isTakenOut(row)).map(rowName);
  for (const name of names) if (!known.includes(name)) addVariable(box, name);
  box.querySelector("[data-variable-none]").classList.toggle("is-shown", !box.querySelector("[data-variable]:not([hidden])"));
}

let variableTimer = 0;
on("input", "textarea[data-prompt]", (event, prompt) => {
  clearTimeout(variableTimer);
  variableTimer = setTimeout(() => findVariables(prompt), 400);
});
on("input", "[data-variable]", (event, row) => { row.dataset.touched = "1"; });
on("change", "[data-variable] select[name$='-type']", (event, select) => { select.closest("[data-variable]").dataset.kind = select.value; });
for (const prompt of document.querySelectorAll("textarea[data-prompt]")) findVariables(prompt);
