/* Starting a run, with files. */
import "./team.js";
import "../uploads.js";
