/* The page of a run. */
import "./team.js";
import "../list-keys.js";
import "../request-keys.js";
import "../run-live.js";
import "../run-parts.js";
import "../run-say.js";
import "../run-title.js";
import { openLinkedTab } from "../tabs.js";

openLinkedTab();
