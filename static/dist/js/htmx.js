/* htmx, and what it does here: it sends Django's token with every unsafe request, and tells when no answer came. */
import htmx from "../vendor/htmx.esm.min.js";
import { cookie } from "./dom.js";
import { refreshClocks, refreshTimes } from "./time.js";
import { toast } from "./toast.js";

delete window.htmx; // the library names itself there; whoever needs it imports it from here
export default htmx;

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
