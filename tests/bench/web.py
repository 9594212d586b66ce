"""Latency of the API: reads, submitting a run alone and in a crowd, and the run's start at a viewer."""

from __future__ import annotations

import time
from typing import Any

from tests.bench import limits
from tests.bench.client import SHORTER, Api, bench_agent, watch
from tests.bench.figures import Figure, latency, timed, together
from tests.bench.server import server
from tests.factories import start_run
from tests.faults.installation import Installation

ROUND_S = 3.0
ROUNDS = 4
BESIDE = "Celery no-op beside the submits"
WARM_UP = 100
"""Unmeasured calls at the start: they create threads, connections and query plans."""


def measure(desk: Installation) -> list[Figure]:
    agent = bench_agent()
    run = start_run(team=agent.team, actor=None, agent=agent, prompt="Go")
    work = {"agent": str(agent.pk), "prompt": "Go"}
    return [*_reads(desk, run.pk), *_reads_each_second(desk, run.pk), *_submits(desk, work)]


def _reads(desk: Installation, run_id: Any) -> list[Figure]:
    """Measure a list, one row, and events, in turn."""
    api = Api(desk)
    paths = ("/runs/?limit=20", f"/runs/{run_id}/", f"/runs/{run_id}/events/?limit=50", "/agents/")
    taken = []
    for _ in range(100):
        for path in paths:
            taken += timed(1, lambda path=path: api.call("GET", path))
    return latency("API read", taken[WARM_UP:], p99=200)


def _reads_each_second(desk: Installation, run_id: Any) -> list[Figure]:
    """Measure our server and Django's ASGI handler in turns, so that a busy moment hits all of them.

    The target is relative to plain Django, which connects anew for each request; its handler with our pool and settings
    is reported as well.
    """
    path = f"/runs/{run_id}/"
    plain = "tests.bench.plain:application"
    with (
        server("config.asgi:application") as ours,
        server(plain, DJANGO_SETTINGS_MODULE="tests.bench.plain_settings") as as_it_comes,
        server(plain) as with_pool,
    ):
        rounds = [[_rate(desk, port, path) for port in (ours, as_it_comes, with_pool)] for _ in range(3)]
    best, of_plain, of_pooled = (max(rates) for rates in zip(*rounds, strict=True))
    return [
        Figure(name="API reads of one process", value=best, unit="/s"),
        Figure(name="the same under plain Django ASGI", value=of_plain, unit="/s"),
        Figure(name="API reads against plain Django ASGI", value=best / of_plain, unit="x", target=2, at_least=True),
        Figure(name="the same under Django ASGI with our pool", value=of_pooled, unit="/s"),
        Figure(name="API reads against Django ASGI with our pool", value=best / of_pooled, unit="x"),
    ]


def _rate(desk: Installation, port: int, path: str) -> float:
    """Return the reads per second of eight callers."""

    def call_on() -> int:
        api, done = Api(desk, port), 0
        end = time.perf_counter() + ROUND_S
        while time.perf_counter() < end:
            api.call("GET", path)
            done += 1
        return done

    return sum(together(8, call_on)) / ROUND_S


def _submits(desk: Installation, work: dict[str, str]) -> list[Figure]:
    """Measure from the POST to its response and to `run.started` at a viewer, with a Celery no-op between."""

    def submit(times: int) -> list[float]:
        api = Api(desk)
        return timed(times, lambda: api.call("POST", "/runs/", work))

    def crowd(times: int) -> list[float]:
        return [second for taken in together(32, lambda: submit(times)) for second in taken]

    submit(WARM_UP)
    crowd(2)
    alone, many, started, bare = [], [], [], []
    with limits.no_op() as there_and_back:
        for _ in range(ROUNDS):
            bare += timed(50, there_and_back)
            alone += submit(150 // SHORTER)
            many += crowd(20 // SHORTER)
            started += _started(desk, work, 30)
    return [
        *latency(BESIDE, bare),
        *latency("submit, 1 client", alone, against=f"{BESIDE} p50"),
        *latency("submit, 32 clients", many, against=f"{BESIDE} p50"),
        *latency("submit → run.started at the viewer", started, p50=5, against=f"{BESIDE} p50"),
    ]


def _started(desk: Installation, work: dict[str, str], times: int) -> list[float]:
    """Seconds from sending the POST to `run.started` at a viewer who opens the run then."""
    api, taken = Api(desk), []
    for n in range(times + 1):
        began = time.perf_counter()
        run = api.call("POST", "/runs/", work)
        with watch(desk, run["id"]) as socket:
            while '"run.started"' not in str(socket.recv(timeout=30)):
                pass
            taken += [time.perf_counter() - began] if n else []
    return taken
