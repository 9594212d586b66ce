"""Validation of addresses in the settings. Standard library only: the launcher calls it before Django starts."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

WITH_PASSWORD = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL")


def fault_in(given: Mapping[str, str]) -> str | None:
    """Return the first setting that cannot work, as a sentence without secrets, or None."""
    faults = [_url_fault(name, given[name]) for name in WITH_PASSWORD if given.get(name)]
    if base_url := given.get("BASE_URL"):
        faults.append(_base_url_fault(base_url))
    return next((fault for fault in faults if fault), None)


def _url_fault(name: str, url: str) -> str | None:
    """Return a fault if a password breaks the URL, else None.

    A `/`, `?` or `#` in the password ends the host early; the real `@` then comes after it.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return None  # brackets that are not an IPv6 address; django-environ reports it
    host = parts.netloc.rpartition("@")[2]
    is_cut = "@" in parts.path + parts.query + parts.fragment
    if not is_cut and ("," in host or _has_port(url)):
        return None
    fault = f"{name} cannot be read: in its password, write / as %2F, ? as %3F, # as %23, @ as %40 and % as %25"
    return f"{fault}, or give it as it is in DATABASE_PASSWORD." if name == "DATABASE_URL" else f"{fault}."


def _has_port(url: str) -> bool:
    """Return True if the port is absent or a number."""
    try:
        urlsplit(url).port  # noqa: B018 - the property reads it
    except ValueError:
        return False
    return True


def _base_url_fault(url: str) -> str | None:
    parts = urlsplit(url if _has_port(url) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return f"BASE_URL must be an address such as https://desk.example.com, not {url!r}."
    if parts.path.strip("/") or parts.query or parts.fragment:
        return (
            f"BASE_URL is {url}, but Deskhand cannot live below a path: give it a host name of its own, "
            f"such as {parts.scheme}://desk.{parts.hostname}."
        )
    return None
