"""Files and parts of the project, as the architecture tests see them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# From the bottom up; apps on one level do not import each other.
STAIRS = (("accounts",), ("billing", "storage", "tools"), ("agents",), ("tasks",), ("marketplace",), ("config",))
APPS = [app for stair in STAIRS for app in stair]
_GENERATED = ("migrations", "djstripe_migrations")


def stair_of(app: str) -> int:
    return next(height for height, stair in enumerate(STAIRS) if app in stair)


def modules() -> Iterator[Path]:
    """Yield every Python file of ours that runs in production, relative to the root."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if not set(_GENERATED) & set(relative.parts):
                yield relative


def committed() -> list[Path]:
    """Return every file that git tracks or would add.

    In an unpacked archive, every file outside the usual ignored folders.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        ignored = {".venv", "var", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".git"}
        return [
            path.relative_to(ROOT)
            for path in ROOT.rglob("*")
            if path.is_file() and not ignored & set(path.relative_to(ROOT).parts)
        ]
    return [Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
