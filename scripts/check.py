"""Static checks of the project: what `make check`, the hooks and CI run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": f"{BIN}:{os.environ['PATH']}"}


def main(wanted: list[str]) -> int:
    """Run the named checks, or all of them; report every failure, not only the first."""
    failed = [name for name, check in CHECKS.items() if (not wanted or name in wanted) and not _passes(name, check)]
    print(f"Failed: {', '.join(failed)}." if failed else "All checks pass.")
    return 1 if failed else 0


def _run(*command: str | Path) -> str:
    """Run a command; return its output if it failed, else an empty string."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    return (done.stdout + done.stderr) or "It failed without output." if done.returncode else ""


def _manage(*arguments: str) -> str:
    return _run(sys.executable, "-W", "ignore", "manage.py", *arguments)


def _templates() -> str:
    found = sorted(
        str(path.relative_to(ROOT)) for path in ROOT.glob("**/templates/**/*.html") if ".venv" not in path.parts
    )
    return _run("djade", "--check", "--target-version", "5.2", *found)


def _assets() -> str:
    """Return an error for each committed asset that differs from a fresh build."""
    with tempfile.TemporaryDirectory() as folder:
        if errors := _run("sh", "static/build.sh", folder):
            return errors
        stale = [
            f"static/dist/{built.name} is not what its source gives: run make css.\n"
            for built in Path(folder).iterdir()
            if built.read_bytes() != (ROOT / "static" / "dist" / built.name).read_bytes()
        ]
    return "".join(stale)


def _schema() -> str:
    return _manage("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


CHECKS: dict[str, Callable[[], str]] = {
    "format": lambda: _run("ruff", "format", "--check", "--quiet", "."),
    "lint": lambda: _run("ruff", "check", "--quiet", "."),
    "types": lambda: _run("mypy"),
    "layers": lambda: _run("lint-imports", "--no-cache"),
    "templates": _templates,
    "assets": _assets,
    "django": lambda: _manage("check", "--fail-level", "WARNING"),
    "migrations": lambda: _manage("makemigrations", "--check", "--dry-run"),
    "openapi": _schema,
    "docstrings": lambda: _run(sys.executable, "-m", "tests.architecture.docstrings"),
    "promises": lambda: _run(sys.executable, "-m", "tests.architecture.promises"),
    "attacks": lambda: _run(sys.executable, "-m", "tests.architecture.attacks"),
    "mutations": lambda: _run(sys.executable, "-m", "tests.mutations.catalogue"),
}


def _passes(name: str, check: Callable[[], str]) -> bool:
    started = time.monotonic()
    errors = check()
    print(f"{'FAIL' if errors else 'ok':4}  {name}  ({time.monotonic() - started:.1f} s)", flush=True)
    if errors:
        print(errors.rstrip(), flush=True)
    return not errors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
