"""`make test`: find or fetch a browser, then run pytest on everything or on the part that is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import find_chromium


def main(parts: list[str]) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    if _wants_browser(parts):
        if not find_chromium():
            _fetch_chromium()
        environment |= {"DESKHAND_CHROMIUM": find_chromium() or ""}
    return subprocess.run([sys.executable, "-m", "pytest", *parts], cwd=ROOT, env=environment).returncode


def _wants_browser(parts: list[str]) -> bool:
    return not parts or any("e2e" in part or part.rstrip("/") == "tests" for part in parts)


def _fetch_chromium() -> None:
    """Install Chromium with apt if running as root.

    If that fails, pytest reports that the browser tests are left out.
    """
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return
    print("Installing Chromium for the browser tests (once) …", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run([apt, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
