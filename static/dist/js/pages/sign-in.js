/* Signing in and security keys. */
import "./site.js";
import "../passkeys.js";
