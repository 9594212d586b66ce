/* The first agent and its first run. */
import "./site.js";
import "../choices.js";
