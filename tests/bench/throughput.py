"""Completed runs a second: 200 runs of five turns and four tool calls, two workers."""

from __future__ import annotations

import time

from tasks.models import Run
from tasks.services.runs import start_run
from tests.bench.client import bench_agent
from tests.bench.figures import Figure
from tests.faults.installation import Installation


def measure(_desk: Installation) -> list[Figure]:
    agent = bench_agent()
    started = time.perf_counter()
    runs = [start_run(team=agent.team, actor=None, agent=agent, prompt="Go").pk for _ in range(200)]
    while Run.objects.filter(pk__in=runs, status="succeeded").count() < len(runs):
        if Run.objects.filter(pk__in=runs, status="failed").exists() or time.perf_counter() - started > 300:
            raise RuntimeError("the runs of the benchmark do not finish")
        time.sleep(0.05)
    return [Figure(name="runs completed", value=len(runs) / (time.perf_counter() - started), unit="/s")]
