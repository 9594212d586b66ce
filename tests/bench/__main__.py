"""Start an installation, measure it, print a table, write var/bench.json. It never leaves loopback.

`python -m tests.bench web delivery` measures those two modules only.
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
from dataclasses import asdict, replace
from pathlib import Path

from tests.bench import speed
from tests.bench.figures import NO_OP, Figure
from tests.bench.server import UNLIMITED
from tests.faults.installation import ROOT, Installation, exit_on_sigterm

# Modules of this package, each with `measure(desk: Installation) -> list[Figure]`.
FIGURES = ["limits", "web", "delivery", "throughput", "growth"]


def main(wanted: list[str]) -> int:
    exit_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        Path(folder).chmod(0o711)
        desk = Installation(Path(folder) / "var")
        with _model_api() as url:
            model = {"ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url}
            try:
                desk.serve(WORKERS="2", LOG_LEVEL="WARNING", **UNLIMITED, **model)
                _enter(desk, model)
                figures = [figure for name in wanted or FIGURES for figure in _measured(name, desk)]
            finally:
                desk.remove()
    show(figures)
    out = ROOT / "var" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    rows = [asdict(figure) | {"there": figure.there, "ratio": figure.ratio} for figure in figures]
    out.write_text(json.dumps({"load": os.getloadavg()[0], "figures": rows}, indent=2))
    print(f"\nWritten to {out.relative_to(ROOT)}.")
    for figure in figures:
        if figure.is_missed:
            print(f"Missed: {figure.name}.")
        elif figure.is_missed_here:
            print(f"Missed at the speed of this machine, not at that of the targets' machine: {figure.name}.")
    return 1 if any(figure.is_missed for figure in figures) else 0


def _measured(name: str, desk: Installation) -> list[Figure]:
    """Return the figures of one module, and the speed of the machine before and after, which varies by the minute."""
    with speed.meter() as pace:
        before = pace()
    found = importlib.import_module(f"tests.bench.{name}").measure(desk)
    with speed.meter() as pace:
        after = pace()
    speeds = [
        Figure(name=f"speed before {name}, beside the machine of the targets", value=before, unit="x"),
        Figure(name=f"speed after {name}, beside the machine of the targets", value=after, unit="x"),
    ]
    mean = (before + after) / 2
    return [*speeds, *(replace(figure, speed=figure.speed or mean) for figure in found)]


def show(figures: list[Figure]) -> None:
    bare = next((figure.value for figure in figures if figure.name == NO_OP), None)
    print(f"\nLoad: {os.getloadavg()[0]:.1f}. The second figure is the time as it would be on the machine of the")
    print("targets, then comes the target; the last is the time against a Celery no-op.\n")
    for figure in figures:
        target = "" if figure.target is None else f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
        there = f"{figure.there:10.2f}" if figure.there != figure.value else ""
        ratio = f"{figure.value / bare:7.2f} x" if bare and figure.unit == "ms" else ""
        print(f"{figure.name:58} {figure.value:10.2f} {figure.unit:5} {there:10} {target:8} {ratio}")


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
