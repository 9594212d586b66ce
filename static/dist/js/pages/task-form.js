/* The task editor. */
import "./team.js";
import "../variables.js";
