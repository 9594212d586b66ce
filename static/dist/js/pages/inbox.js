/* Requests that wait for an answer. */
import "./team.js";
import "../list-keys.js";
import "../picks.js";
import "../request-keys.js";
