"""Start a Deskhand of its own, measure it beside DBOS, print a table, write var/bench.json. It never leaves loopback.

`python -m tests.bench web delivery` measures those two modules only; SHORT=1 does a part of the work.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.bench.figures import Figure, compared
from tests.bench.server import UNLIMITED
from tests.faults.installation import ROOT, Installation, exit_on_sigterm

# modules of this package, each with `measure(desk: Installation) -> list[Figure]`
FIGURES = ["limits", "web", "delivery", "throughput", "beside", "growth"]


def main(wanted: list[str]) -> int:
    exit_on_sigterm()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        Path(folder).chmod(0o711)
        desk = Installation(Path(folder) / "var")
        with _model_api() as url:
            model = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url}
            try:
                desk.serve(WORKERS="2", LOG_LEVEL="WARNING", **UNLIMITED, **model)
                _enter(desk, model)
                for name in wanted or FIGURES:
                    figures += _measured(name, desk)
            finally:
                desk.remove()
                figures = compared(figures)
                _report(figures)  # also what was measured before a module failed
    for figure in figures:
        if figure.is_missed:
            print(f"Missed: {figure.name}.{f' What binds: {figure.binds}.' if figure.binds else ''}")
    return 1 if any(figure.is_missed for figure in figures) else 0


def _report(figures: list[Figure]) -> None:
    """Print the table and write var/bench.json."""
    show(figures)
    out = ROOT / "var" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    rows = [asdict(figure) | {"ratio": figure.ratio, "to_dbos": figure.to_dbos} for figure in figures]
    is_short = bool(os.environ.get("SHORT"))
    out.write_text(json.dumps({"load": os.getloadavg()[0], "is_short": is_short, "figures": rows}, indent=2))
    print(f"\nWritten to {out.relative_to(ROOT)}.")


def _measured(name: str, desk: Installation) -> list[Figure]:
    """Return the figures of one module."""
    print(f"Measuring {name} …", flush=True)
    return list(importlib.import_module(f"tests.bench.{name}").measure(desk))


def show(figures: list[Figure]) -> None:
    """Print the table: value, ratio to the figure that it is compared with, target."""
    print(f"\nLoad: {os.getloadavg()[0]:.1f}. A target of a figure that is compared with another is for the ratio.\n")
    for figure in figures:
        ratio = f"{figure.ratio:7.2f} x" if figure.ratio else ""
        times = " x" if figure.against else ""
        target = "" if figure.target is None else f"{'≥' if figure.at_least else '≤'} {figure.target:g}{times}"
        against = f"of {figure.against}" if figure.against else ""
        print(f"{figure.name:54} {figure.value:10.2f} {figure.unit:4} {ratio:10} {target:9} {against}".rstrip())


@contextmanager
def _model_api() -> Iterator[str]:
    """Run the stand-in for the Messages API as a process of its own."""
    command = [sys.executable, "-m", "tests.standins.anthropic"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stand_in:
        assert stand_in.stdout
        try:
            yield stand_in.stdout.readline().strip()
        finally:
            stand_in.terminate()


def _enter(desk: Installation, model: dict[str, str]) -> None:
    """Load the installation's variables into this process, as `manage.py` in another terminal does."""
    for line in (desk.home / "env").read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ[name.removeprefix("export ").strip()] = value.strip().strip("'\"")
    os.environ |= model | {"DESKHAND_VAR": str(desk.home), "DJANGO_SETTINGS_MODULE": "config.settings"}
    import django

    django.setup()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
