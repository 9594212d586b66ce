"""Storm from its first run to its table."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg

from tasks.models import TERMINAL
from tests.chaos.api import Api, Lost
from tests.chaos.checker import Checker
from tests.chaos.clients import Person, Submitter, World, hire
from tests.chaos.history import History
from tests.chaos.installation import LEASE_S, Desk
from tests.chaos.nemesis import Nemesis, faults_of, fingerprint
from tests.chaos.report import Plan, Report
from tests.chaos.viewers import Viewers
from tests.faults.disk import small_disk

STILL_S = LEASE_S + 90
"""Seconds without any progress after which the storm counts as stuck.

The total after the last fault may be longer on a busy machine, but no run may stand still for so long.
"""

LONGEST_S = 900.0
PROGRESS_S = 10.0
DISK_MB = 2048
"""Small enough to fill, and large enough for a long storm."""
LIVE = "SELECT id FROM tasks_run WHERE title LIKE 'chaos %%' AND NOT status = ANY(%s) LIMIT 1"
# If a run was cancelled while its worker was lost, the sweep books the call later.
UNBOOKED = """
SELECT 1 FROM billing_reservation UNION ALL SELECT 1 FROM tasks_step WHERE kind = 'model' AND status = 'intent' LIMIT 1
"""
MOVED = """
SELECT (SELECT sum(last_seq) FROM tasks_run), (SELECT count(*) FROM billing_reservation),
       (SELECT count(*) FROM tasks_step WHERE status = 'intent')
"""
STATES = "SELECT status, count(*) AS n FROM tasks_run WHERE title LIKE 'chaos %%' GROUP BY status"
OVER = "SELECT id, limit_usd, spent_usd, reserved_usd FROM billing_budget WHERE spent_usd + reserved_usd > limit_usd"


def storm(plan: Plan, say: Callable[[str], None]) -> Report:
    with small_disk(DISK_MB) as disk:
        desk = Desk(disk / "var", plan.seed)
        try:
            desk.up()
            say(f"{desk.url} is up; {plan.runs} runs and {plan.faults} faults in {plan.duration_s:.0f} s follow")
            report = _over(desk, plan, say)
        finally:
            desk.remove()
        if not report.is_clean:
            kept = Path(tempfile.mkdtemp(prefix="deskhand-chaos-"))
            shutil.copytree(disk / "var" / "log", kept / "log")
            say(f"The logs are in {kept}")
    return report


def _over(desk: Desk, plan: Plan, say: Callable[[str], None]) -> Report:
    history = History()
    world = World(Api(desk.url, desk.demo["api_key"], history.statuses), history, desk.receiver, plan.seed)
    hire(world)
    faults = faults_of(plan)
    nemesis = Nemesis(desk, world, faults)
    desk.receiver.killed = history.note_deaths
    share, rest = divmod(plan.runs, plan.submitters)
    works = [
        *(Submitter(world, n, share + (n < rest), plan.duration_s).run for n in range(plan.submitters)),
        *(Person(world, n).run for n in range(2)),
        Viewers(world, sockets=plan.sockets, streams=plan.streams).run,
        lambda: _watch_money(desk, world),
        lambda: _tell_progress(desk, world, say),
    ]
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    nemesis.run()
    for thread in threads[: plan.submitters]:
        thread.join(plan.duration_s)
    nemesis.calm()
    world.is_closing.set()
    duration_s = time.monotonic() - began
    say(f"The storm is over after {duration_s:.0f} s; waiting until all is settled")
    calm_s = _settle(desk, world)
    world.is_over.set()
    for thread in threads:
        thread.join(30)
    checker = Checker(desk, world)
    return Report(
        plan=plan,
        fingerprint=fingerprint(faults),
        faults=history.faults,
        runs=Counter(row["error_code"] or row["status"] for row in checker.runs.values()),
        statuses=history.statuses,
        events=sum(len(events) for run, events in checker.events.items() if run in checker.runs),
        views=len(history.views),
        effects=len(desk.receiver.effects),
        store=desk.store.hit,
        clocks=desk.clocks,
        overspent_usd=checker.overspent_usd(),
        recovery_s=checker.recovery_times(),
        model_waits_s=checker.model_waits(),
        calls_in_outage=checker.calls_in_outage(),
        duration_s=duration_s,
        calm_s=calm_s,
        broken=checker.check(),
    )


def _settle(desk: Desk, world: World) -> float:
    """Wait until all clients have answers, all runs have ended and all viewers know, or nothing makes progress."""
    began = time.monotonic()
    history = world.history

    def asking() -> int:
        return sum(1 for start in list(history.starts) if not start.runs and not start.refused)

    def seen() -> list[int]:
        return [len(view.seen) + view.has_ended for view in list(history.views)]

    _while_it_moves(
        lambda: not asking() and not desk.rows(LIVE, list(TERMINAL)) and not desk.rows(UNBOOKED),
        lambda: (asking(), desk.rows(MOVED)),
    )
    took = time.monotonic() - began
    _while_it_moves(lambda: all(view.has_ended for view in list(history.views)), seen)
    return took


def _while_it_moves(is_done: Callable[[], bool], look: Callable[[], object]) -> None:
    """Wait until `is_done`, or until `look` returned the same for STILL_S seconds."""
    began = moved = time.monotonic()
    before: object = None
    while (now := time.monotonic()) - moved < STILL_S and now - began < LONGEST_S:
        with suppress(psycopg.Error, OSError):
            if is_done():
                return
            if (found := look()) != before:
                before, moved = found, now
        time.sleep(0.2)


def _watch_money(desk: Desk, world: World) -> None:
    """Record each budget that exceeds its limit at any moment, reservations included."""
    while not world.is_over.wait(0.5):
        try:
            over = desk.rows(OVER)
        except (psycopg.Error, OSError, KeyError, Lost):
            continue
        for budget in over:
            most = budget["spent_usd"] + budget["reserved_usd"] - budget["limit_usd"]
            so_far = world.history.overspend.get(str(budget["id"]), most)
            world.history.overspend[str(budget["id"])] = max(most, so_far)


def _tell_progress(desk: Desk, world: World, say: Callable[[str], None]) -> None:
    began, history = time.monotonic(), world.history
    while not world.is_over.wait(PROGRESS_S):
        try:
            counts = {row["status"]: row["n"] for row in desk.rows(STATES)}
        except (psycopg.Error, OSError, KeyError):
            counts = {}
        ended = sum(n for status, n in counts.items() if status in TERMINAL)
        runs = f"{ended} ended, {sum(counts.values()) - ended} live" if counts else "the database is away"
        started = sum(1 for start in list(history.starts) if start.runs)
        say(f"{time.monotonic() - began:4.0f} s  {history.faults.total()} faults, {started} runs started: {runs}")
