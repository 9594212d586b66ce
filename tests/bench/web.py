"""Latency of the API: reads, submitting a run alone and in a crowd, and the run's first event."""

from __future__ import annotations

import time
from typing import Any

from tests.bench import speed
from tests.bench.client import Api, bench_agent, watch
from tests.bench.figures import Figure, latency, timed, together
from tests.bench.server import server
from tests.factories import start_run
from tests.faults.installation import Installation

ROUND_S = 3.0
ROUNDS = 4
WARM_UP = 100
"""Unmeasured calls at the start: they create threads, connections and query plans."""


def measure(desk: Installation) -> list[Figure]:
    agent = bench_agent()
    run = start_run(team=agent.team, actor=None, agent=agent, prompt="Go")
    work = {"agent": str(agent.pk), "prompt": "Go"}
    return [*_reads(desk, run.pk), *_reads_each_second(desk, run.pk), *_submits(desk, work), *_first_events(desk, work)]


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
    """Measure from the POST to its response, in rounds, each between two measurements of the machine's speed."""

    def submit(times: int) -> list[float]:
        api = Api(desk)
        return timed(times, lambda: api.call("POST", "/runs/", work))

    def crowd(times: int) -> list[float]:
        return [second for taken in together(32, lambda: submit(times)) for second in taken]

    submit(WARM_UP)
    crowd(2)
    alone, many = _Rounds(), _Rounds()
    with speed.meter() as pace:
        before = pace()
        for _ in range(ROUNDS):
            taken, taken_by_many = submit(150), crowd(20)
            now = pace()
            alone.add(taken, (before + now) / 2)
            many.add(taken_by_many, (before + now) / 2)
            before = now
    return [
        *latency("submit, 1 client", alone.seconds, p50=5, p99=15, there=alone.there),
        *latency("submit, 32 clients", many.seconds, p99=150, there=many.there),
    ]


class _Rounds:
    """Times of several rounds, unscaled and scaled to the reference machine."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.there: list[float] = []

    def add(self, seconds: list[float], pace: float) -> None:
        self.seconds += seconds
        self.there += [second * pace for second in seconds]


def _first_events(desk: Installation, work: dict[str, str]) -> list[Figure]:
    """Measure from the POST to the first event at a viewer who then opens the run."""
    api, taken = Api(desk), []
    for _ in range(100):
        started = time.perf_counter()
        run = api.call("POST", "/runs/", work)
        with watch(desk, run["id"]) as socket:
            socket.recv(timeout=30)
            taken.append(time.perf_counter() - started)
    return latency("submit → first event at the viewer", taken[5:], p50=25, p99=60)
