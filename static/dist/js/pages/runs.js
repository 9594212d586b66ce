/* The list of runs, some of which can be chosen. */
import "./team.js";
import "../picks.js";
