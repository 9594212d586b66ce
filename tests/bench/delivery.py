"""Delivery of events: time from a commit to the frame at each viewer, and the server's cost per viewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from accounts.models import Membership
from accounts.services import keys
from tasks import event_log, events
from tasks.models import Run
from tests.bench.client import bench_agent
from tests.bench.figures import Figure, latency, timed
from tests.bench.processes import cpu_s, resident_mb
from tests.faults.installation import ROOT, Installation

EVENTS = 200
PACE_S = 0.025
UNDER_LOAD = "Valkey round trip beside 200 viewers"
MOST = 200
SOCKETS_OF_A_KEY = 100


def measure(desk: Installation) -> list[Figure]:
    run = _waiting_run()
    tokens = _tokens(run)
    web = desk.pids("web")
    one = latency("event committed → 1 viewer", _times(desk, run, tokens[:1]), p99=100)
    fifty = latency("event committed → 50 viewers", _times(desk, run, tokens[:50]))
    before = sum(map(resident_mb, web))
    with _viewers(desk, run, tokens) as crowd:
        idle = (sum(map(resident_mb, web)) - before) * 100 / MOST
        used, started = sum(map(cpu_s, web)), time.monotonic()
        with _pings() as pings:
            times = _delivered(run, crowd)
        used, seconds = sum(map(cpu_s, web)) - used, time.monotonic() - started
    return [
        *one,
        *fifty,
        *latency(UNDER_LOAD, pings),
        *latency(
            "event committed → 200 viewers", times, p99=10, against=f"{UNDER_LOAD} p50", p99_against=f"{UNDER_LOAD} p99"
        ),
        Figure(name="server time per frame, 200 viewers", value=1e6 * used / len(times), unit="µs", target=40),
        Figure(name="server load meanwhile", value=100 * used / seconds, unit="%"),
        Figure(name="memory of 100 idle viewers", value=idle, unit="MB", target=10),
    ]


@contextmanager
def _pings() -> Iterator[list[float]]:
    """Round trips to Valkey, one every ten milliseconds, until the end; in seconds."""
    valkey, taken, is_over = redis.Redis.from_url(os.environ["REDIS_URL"]), [], threading.Event()

    def ask() -> None:
        while not is_over.wait(0.01):
            taken.extend(timed(1, valkey.ping))

    valkey.ping()
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        is_over.set()
        thread.join()


def _waiting_run() -> Run:
    agent = bench_agent()
    return Run.objects.create(
        team=agent.team, agent=agent, version=agent.version, title="Watched", prompt="-", status="waiting",
        max_cost_usd=1, max_turns=1, timeout_s=60,
    )  # fmt: skip


def _tokens(run: Run) -> Sequence[str]:
    """Return one token per viewer. Several keys are needed, because each key's sockets are limited."""
    owner = Membership.objects.filter(team=run.team, role="owner").select_related("user").earliest("pk").user
    made = [
        keys.create_key(team=run.team, actor=owner, name=f"Viewers {n}", scopes=["runs:read"])[1]
        for n in range(-(-MOST // SOCKETS_OF_A_KEY))
    ]
    return [made[n // SOCKETS_OF_A_KEY] for n in range(MOST)]


@contextmanager
def _viewers(desk: Installation, run: Run, tokens: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.bench.viewers", str(desk.port), str(run.pk), str(EVENTS), *tokens]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdout
        if crowd.stdout.readline() != "ready\n":
            raise RuntimeError("the viewers cannot look")
        try:
            yield crowd
        finally:
            crowd.terminate()


def _times(desk: Installation, run: Run, tokens: Sequence[str]) -> list[float]:
    with _viewers(desk, run, tokens) as crowd:
        return _delivered(run, crowd)


def _delivered(run: Run, crowd: subprocess.Popen[str]) -> list[float]:
    """Return the seconds from each commit to each viewer."""
    committed: dict[int, float] = {}
    for _ in range(EVENTS):
        event_log.append(run, events.Log(text="One line of a run that many people watch at the same time."))
        committed[run.last_seq] = time.monotonic()
        time.sleep(PACE_S)  # the pace of a busy run, not a wait for something
    seen = json.loads(crowd.communicate(timeout=60)[0])
    return [max(0.0, at - committed[seq]) for seq, at in seen]
