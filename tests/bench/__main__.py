"""Start a Deskhand of its own, measure it, print a table, write var/bench.json. It never leaves loopback."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.installation import ROOT, Installation

TARGETS = {  # ms, from docs/performance.md
    "event committed → viewer p99": 100.0,
    "API read p99": 200.0,
    "submit → first event at the viewer p50": 150.0,
}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        Path(folder).chmod(0o711)
        desk = Installation(Path(folder) / "var")
        desk.serve(WORKERS="2", DESKHAND_API_RATE="1000000/min", LOG_LEVEL="WARNING")
        try:
            figures = measure(desk)
        finally:
            desk.remove()
    show(figures)
    out = ROOT / "var" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"load": os.getloadavg()[0], "figures": figures}, indent=2))
    missed = [name for name, most in TARGETS.items() if figures[name] > most]
    print(f"\nWritten to {out.relative_to(ROOT)}.", *(f"Missed: {name}." for name in missed))
    return 1 if missed else 0


def show(figures: dict[str, float]) -> None:
    bare = figures["Celery no-op round trip p50"]
    print(f"\nLoad of the machine: {os.getloadavg()[0]:.1f}. Times in ms; the last column is against a Celery no-op.\n")
    for name, value in figures.items():
        per_second = name.endswith("/s")
        target = f"≤ {TARGETS[name]:g}" if name in TARGETS else ""
        ratio = "" if per_second else f"{value / bare:7.2f} x"
        print(f"{name:46} {value:9.2f}  {target:8} {ratio}")


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds, nearest rank."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def timed(times: int, work: Callable[[], Any]) -> list[float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def measure(desk: Installation) -> dict[str, float]:
    _enter(desk)
    from tests.bench import product

    figures: dict[str, float] = {}
    figures |= product.bare_limits()
    with _noop_worker():
        figures |= product.celery_noop()
    api = Api(desk)
    reads = product.reads(api)
    figures |= {"API read p50": percentile(reads, 0.5), "API read p99": percentile(reads, 0.99)}
    figures |= product.delivery(desk)
    figures |= product.submits(desk, api)
    figures |= product.drain()
    return figures


class Api:
    """One kept connection with the demo team's key."""

    def __init__(self, desk: Installation) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=30)
        self._used = time.monotonic()
        self._headers = {"Authorization": f"Bearer {desk.demo['api_key']}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if time.monotonic() - self._used > 3:  # the server closes idle connections after five
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(method, f"/api/v1{path}", json.dumps(body) if body else None, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def _enter(desk: Installation) -> None:
    """Use the installation's own parts in this process, as `manage.py` in another terminal does."""
    for line in (desk.home / "env").read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ[name.removeprefix("export ").strip()] = value.strip().strip("'\"")
    os.environ |= {"DESKHAND_VAR": str(desk.home), "DJANGO_SETTINGS_MODULE": "config.settings"}
    import django

    django.setup()


@contextmanager
def _noop_worker() -> Iterator[None]:
    os.environ["BENCH_BROKER"] = f"{os.environ['REDIS_URL'].rstrip('/')}/2"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tests.bench.noop",
        "worker",
        "-P",
        "threads",
        "-c",
        "4",
        "-l",
        "ERROR",
    ]
    worker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(20)


if __name__ == "__main__":
    sys.exit(main())
