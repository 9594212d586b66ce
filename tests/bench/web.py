"""What a caller of the API waits for: reads, submitting a run, and the run's first event."""

from __future__ import annotations

import time

from tasks.services.runs import start_run
from tests.bench.client import Api, bench_agent, watch
from tests.bench.figures import Figure, latency, timed
from tests.faults.installation import Installation


def measure(desk: Installation) -> list[Figure]:
    api = Api(desk)
    return [*_reads(api), *_submits(desk, api)]


def _reads(api: Api) -> list[Figure]:
    """A list, one row, and events, in turn."""
    agent = bench_agent()
    run = start_run(team=agent.team, actor=None, agent=agent, prompt="Go")
    paths = ("/runs/?limit=20", f"/runs/{run.pk}/", f"/runs/{run.pk}/events/?limit=50", "/agents/")
    for path in paths:
        api.call("GET", path)
    taken = []
    for _ in range(75):
        for path in paths:
            taken += timed(1, lambda path=path: api.call("GET", path))
    return latency("API read", taken, p99=200)


def _submits(desk: Installation, api: Api) -> list[Figure]:
    """From sending the POST to the answer, and to the first event at a viewer who opens the run then."""
    agent = bench_agent()
    answered, first = [], []
    for _ in range(40):
        started = time.perf_counter()
        run = api.call("POST", "/runs/", {"agent": str(agent.pk), "prompt": "Go"})
        answered.append(time.perf_counter() - started)
        with watch(desk, run["id"]) as socket:
            socket.recv(timeout=30)
            first.append(time.perf_counter() - started)
    return latency("submit", answered) + latency("submit → first event at the viewer", first, p50=150)
