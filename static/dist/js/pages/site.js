/* Any page: what the landing page and the pages around sign-in need, and all others too. */
import "../dialog.js";
import "../forms.js";
import "../theme.js";
import "../time.js";
import "../toast.js";
