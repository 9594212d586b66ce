/* A run as a link shows it to anyone. */
import "./site.js";
import "../run-live.js";
import "../run-parts.js";
import "../run-title.js";
import { openLinkedTab } from "../tabs.js";

openLinkedTab();
