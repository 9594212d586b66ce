"""Path of the browser for the end-to-end tests. Standard library only: `make test` needs it before pytest runs."""

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
    """Return the path of a Chromium: the one in DESKHAND_CHROMIUM, else the first in PATH."""
    if given := os.environ.get("DESKHAND_CHROMIUM"):
        return given
    return next((path for name in NAMES if (path := shutil.which(name))), None)
