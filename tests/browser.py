"""Where the browser for the end-to-end tests is. Only the standard library: `make test` asks before pytest runs."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of a Chromium: the one that DESKHAND_CHROMIUM names, else the first in PATH."""
    if given := os.environ.get("DESKHAND_CHROMIUM"):
        return given
    return next((path for name in NAMES if (path := shutil.which(name))), None)
