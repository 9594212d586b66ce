/* Passkeys: a button with data-passkey ("create" or "get") asks the browser for one and sends its answer in the form.
   What the server wants is in the JSON of #passkey-options, or behind the address in data-options-from. */
import { on } from "./dom.js";

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
