"""Readable names of browsers and API clients, from their User-Agent."""

from __future__ import annotations

UNKNOWN = "Unknown device"
# The first match wins: most browsers also name others.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str) -> str:
    """Return a name such as `Firefox on Windows`, with only the parts that the User-Agent shows."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return " on ".join(part for part in (browser, system) if part) or UNKNOWN


def client_name(user_agent: str) -> str:
    """Return the name of an API client: a known browser or curl, else its User-Agent."""
    name = device_name(user_agent)
    return user_agent[:60] or "An API client" if name == UNKNOWN else name
