/* Any page inside a team. */
import "./site.js";
import "../htmx.js";
import "../feed.js";
import "../palette.js";
import "../shortcuts.js";
import "../tab-row.js";
