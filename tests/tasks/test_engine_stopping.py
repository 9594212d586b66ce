"""Stopping workers, and the workers that take over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agents.runtimes.base import Stop
from tasks.models import Run
from tests.tasks.scripted import Scripted, engine, say, settled, types, until
from tests.timeouts import PATIENCE_S

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]


@pytest.mark.promise("G18")
def test_a_stopping_worker_begins_no_other_turn_of_the_model(scripted: Play, start: Start, settings: Any) -> None:
    settings.ENGINE = settings.ENGINE | {"drain_s": PATIENCE_S}
    reached, go_on = threading.Event(), threading.Event()

    async def hold(request: Any) -> None:
        reached.set()
        while not go_on.is_set():
            await asyncio.sleep(0.01)

    runtime = scripted((Stop.MAX_TOKENS, [say("One, ")]), [say("two.")], before_turn=hold)
    run = start()
    with engine("stops") as stopping:
        until(reached.is_set)
        stopping._loop.call_soon_threadsafe(stopping._draining.set)
        go_on.set()
        settled(run, "queued")
    assert (len(runtime.calls), types(run)[-1]) == (1, "run.queued")

    with engine("goes on"):
        settled(run, "succeeded")
    assert (run.output, len(runtime.calls), run.recoveries) == ("One, two.", 2, 0)


@pytest.mark.promise("G18")
def test_a_call_that_outlasts_the_stop_is_let_go_and_taken_up_at_once(
    scripted: Play, start: Start, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"lease_s": 3600.0, "drain_s": 0.1}
    reached = threading.Event()

    async def hold_the_first(request: Any) -> None:
        if not reached.is_set():
            reached.set()
            await asyncio.sleep(3600)

    scripted([say("Done.")], before_turn=hold_the_first)
    run = start()
    with engine("stops"):
        until(reached.is_set)
    with engine("goes on"):
        settled(run, "succeeded")

    assert (run.recoveries, types(run).count("run.finished")) == (0, 1)
    assert run.events.get(type="attempt.lost").data["reason"] == "let go"


@pytest.mark.promise("G18")
def test_rolling_restarts_in_the_middle_of_a_call_make_no_run_a_suspect(
    scripted: Play, start: Start, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"lease_s": 3600.0, "drain_s": 0.1, "max_recoveries": 1}
    calls: list[str] = []

    async def hold(request: Any) -> None:
        calls.append(request.step_key)
        if len(calls) <= 4:
            await asyncio.sleep(3600)

    scripted([say("Done.")], before_turn=hold)
    run = start()
    for n in range(4):
        with engine(f"stops {n}"):
            until(lambda n=n: len(calls) == n + 1)
    with engine("goes on"):
        settled(run, "succeeded")

    assert (run.recoveries, types(run).count("attempt.lost"), run.epoch) == (0, 4, 5)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[str]]:
    """Worker process like those of an installation, on this test's database."""
    program = (sys.executable, "-W", "ignore", "-m", "celery", "-A", "config", "worker", "-P", "threads", "-c", "1")
    process = subprocess.Popen(
        [*program, "--without-mingle", "--without-gossip", "-n", "stopping@%h"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.promise("G4", "G18")
def test_sigterm_makes_a_worker_process_hand_its_runs_over(worker: subprocess.Popen[str], start: Start) -> None:
    runs = [start("report_progress") for _ in range(3)]
    version = runs[0].version.__class__.objects
    version.update(options={"script": "slow", "delay_s": 1.0, "turns": 6})
    for run in runs:
        until(lambda run=run: run.events.filter(type="tool.finished").exists())

    worker.send_signal(signal.SIGTERM)
    said, _ = worker.communicate(timeout=40 + PATIENCE_S)

    assert worker.returncode == 0, said
    for run in runs:
        run.refresh_from_db()
        assert (run.status, types(run)[-1], run.lease_expires_at) == ("queued", "run.queued", None), said
    version.update(options={"script": "bench", "turns": 6})
    with engine("next"):
        for run in runs:
            settled(run, "succeeded")
            told = types(run)
            assert [told.count(t) for t in ("model.finished", "tool.finished", "attempt.lost")] == [6, 5, 0]
            assert (run.recoveries, run.epoch) == (0, 2)
