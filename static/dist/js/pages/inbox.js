/* Requests that wait for an answer. */
import "./team.js";
import "../request-keys.js";
