"""Write requirements/*.txt: every version and hash, for every platform, without index addresses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
OPTIONS = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]


def main(arguments: list[str]) -> None:
    """Compile prod, local and dev in turn, each constrained by the one before. `--upgrade` takes newer versions."""
    below: str | None = None
    for name in ("prod", "local", "dev"):
        bound = ["-c", f"{below}.txt"] if below else []
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *arguments, *bound]
        subprocess.run([*command, f"{name}.in", "-o", f"{name}.txt"], cwd=REQUIREMENTS, check=True)
        below = name


if __name__ == "__main__":
    main(sys.argv[1:])
