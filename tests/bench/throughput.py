"""Throughput: runs per second of two workers, the cost of each run, and its commits.

One run is five turns and four tool calls. The runs are queued while their agent is blocked, then released at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count

from agents.models import Agent
from tasks import queue
from tasks.models import Run, RunStatus
from tests.bench.client import SHORTER, bench_agent
from tests.bench.figures import Figure
from tests.bench.processes import peak_mb, pss_mb
from tests.factories import start_run
from tests.faults.installation import Installation

RUNS = 1000 // SHORTER
CALLS = 9
"""External calls of a run: five of the model, four of tools."""
CLIENT = "what is loaded: the bench gives it the Anthropic client, some 50 MB, before the first run"
STATS_S = 11.0
"""Seconds until idle connections report their statistics (PostgreSQL: ten)."""


def measure(desk: Installation) -> list[Figure]:
    idle = [pss_mb(pid) for pid in desk.pids("worker")]
    release(bench_agent(), 20)  # imports, plans and pools are there from here on
    before = [pss_mb(pid) for pid in desk.pids("worker")]
    most = list(before)

    def weigh() -> None:
        most[:] = [max(was, pss_mb(pid)) for was, pid in zip(most, desk.pids("worker"), strict=True)]

    waiting = release(slow_agent(), RUNS, meanwhile=weigh)
    grown = sum(most) - sum(before)
    commits = _commits()
    release(bench_agent(), RUNS)
    on_threads = release(bench_agent("on threads", tools=["list_files"]), RUNS // 2)
    with_client = bench_agent("real client", runtime="anthropic", budget_monthly_usd=100_000)
    release(with_client, RUNS // 5)  # both workers have the client and its connections from here on
    real = release(with_client, RUNS // 5)
    time.sleep(STATS_S)
    shared = (_commits() - commits) / (RUNS + RUNS // 2 + 2 * (RUNS // 5))
    return [
        Figure(name="runs queued, each tool call on a thread", value=on_threads.per_s, unit="/s"),
        Figure(name="the same, Anthropic client and budget", value=real.per_s, unit="/s"),
        Figure(name="runs at once, a second a turn", value=waiting.per_s, unit="/s"),
        Figure(name="runs at once in one worker", value=waiting.most_at_once, unit="", target=250, at_least=True),
        Figure(name="memory of an idle worker (PSS)", value=max(idle), unit="MB", target=160, binds=CLIENT),
        Figure(name="memory of a waiting run (PSS)", value=1024 * grown / RUNS, unit="KB", target=200),
        Figure(name="memory of a worker, peak resident", value=max(map(peak_mb, desk.pids("worker"))), unit="MB"),
        Figure(name="commits of a lone run", value=_commits_of_lone_run(), unit="", target=2 * CALLS + 4),
        Figure(name="commits a run, many together", value=shared, unit=""),
    ]


@dataclass
class Took:
    """Result of a release."""

    runs: int
    seconds: float = 0.0
    by_worker: dict[str, int] = field(default_factory=dict)

    @property
    def per_s(self) -> float:
        return self.runs / self.seconds

    @property
    def most_at_once(self) -> int:
        return max(self.by_worker.values(), default=0)


def slow_agent() -> Agent:
    """Return the agent whose model takes a second for each turn."""
    return bench_agent("slow", options={"script": "slow", "delay_s": 1.0})


def release(agent: Agent, runs: int, meanwhile: Callable[[], None] = lambda: None) -> Took:
    """Queue that many runs, release them, and wait for the last one."""
    _allow(agent, 0)
    ids = [start_run(team=agent.team, actor=None, agent=agent, prompt="Go").pk for _ in range(runs)]
    took = Took(runs)
    started = time.perf_counter()
    _allow(agent, runs)
    queue.wake_run(ids[0])
    wait_for_end(agent, took, meanwhile)
    took.seconds = time.perf_counter() - started
    ended = dict(Run.objects.filter(pk__in=ids).values_list("status").annotate(n=Count("pk")))
    if ended != {RunStatus.SUCCEEDED: runs}:
        raise RuntimeError(f"the runs of the benchmark did not succeed: {ended}")
    return took


def wait_for_end(agent: Agent, took: Took, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until no run of the agent is queued or driven."""

    def is_over() -> bool:
        meanwhile()
        return not _live(agent, took)

    _until(is_over, 60 + took.runs / 5)


def _allow(agent: Agent, runs: int) -> None:
    Agent.objects.filter(pk=agent.pk).update(max_concurrent_runs=runs)


def _live(agent: Agent, took: Took) -> bool:
    rows = (
        Run.objects.filter(agent=agent, status__in=(RunStatus.QUEUED, RunStatus.RUNNING))
        .values_list("status", "worker")
        .annotate(n=Count("pk"))
    )
    found = list(rows)
    for status, worker, n in found:
        if status == RunStatus.RUNNING:
            took.by_worker[worker] = max(n, took.by_worker.get(worker, 0))
    return bool(found)


def _until(is_so: Callable[[], Any], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while not is_so():
        if time.perf_counter() > end:
            raise RuntimeError("the runs of the benchmark do not finish")
        time.sleep(0.1)


def _commits() -> int:
    """Return the commits of the database so far, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def _commits_of_lone_run() -> int:
    """Return the number of transactions of a run that shares no commits: those of its events, and its claim."""
    agent = bench_agent()
    run: UUID = start_run(team=agent.team, actor=None, agent=agent, prompt="Go").pk
    _until(lambda: Run.objects.filter(pk=run, status=RunStatus.SUCCEEDED).exists(), 30)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM tasks_runevent WHERE run_id = %s", [run])
        return 1 + int(cursor.fetchone()[0])
