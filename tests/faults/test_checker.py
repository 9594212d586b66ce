"""Checker of the storm on wrong rows and histories: each of its checks can fail."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from psycopg.rows import dict_row
from psycopg.types.json import JsonbLoader

from accounts.models import Team
from billing.models import Budget, UsageRecord
from tasks import event_log, events
from tasks.engine.human_requests import EXPIRES_AFTER
from tasks.models import Artifact, HumanRequest, Run, RunEvent, Step
from tests.chaos.api import Api
from tests.chaos.checker import CHECKS, FREE_CALLS, Checker
from tests.chaos.clients import World
from tests.chaos.history import Cancel, History, Start, View
from tests.chaos.model import SCRIPTS
from tests.chaos.receiver import Effect
from tests.factories import AgentFactory, RunFactory, StoredFileFactory


@dataclass
class Desk:
    """Database of this test, and the counts that receiver and model would have."""

    effects: list[Effect] = field(default_factory=list)
    given: set[str] = field(default_factory=set)

    @property
    def receiver(self) -> Desk:
        return self

    def by_order(self) -> dict[str, list[Effect]]:
        return {effect.order: [e for e in self.effects if e.order == effect.order] for effect in self.effects}

    def told_by_model(self) -> set[str]:
        return self.given

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        cursor = connection.connection.cursor(row_factory=dict_row)
        cursor.adapters.register_loader("jsonb", JsonbLoader)  # which Django turns off for its own connections
        return cursor.execute(query, values).fetchall()


@dataclass
class Case:
    """Run that went right; each test spoils one thing in it."""

    run: Run
    desk: Desk
    history: History

    @property
    def id(self) -> str:
        return str(self.run.pk)

    def end(self, status: str, **values: Any) -> None:
        RunEvent.objects.filter(run=self.run, type="run.finished").update(data={"status": status})
        self.change(status=status, finished_at=timezone.now(), **values)

    def change(self, **values: Any) -> None:
        Run.objects.filter(pk=self.run.pk).update(**values)

    def event(self, type_: str, **data: Any) -> None:
        """Add an event before the last one."""
        last = self.run.last_seq
        RunEvent.objects.filter(run=self.run, seq=last).update(seq=last + 1)
        RunEvent.objects.create(run=self.run, seq=last, type=type_, data=data)
        self.run.last_seq += 1
        self.change(last_seq=self.run.last_seq)

    def usage(self, key: str, outcome: str, cost: str, step_key: str = "") -> None:
        UsageRecord.objects.create(
            team=self.run.team, key=key, provider_id=key, kind="model", outcome=outcome, run_id=self.run.pk,
            step_key=step_key, agent_id=self.run.agent_id, agent_label="a", model="m", cost_usd=Decimal(cost),
        )  # fmt: skip

    def broken(self) -> dict[str, list[str]]:
        world = World(Api("", "", Counter()), self.history, self.desk, seed=1)  # type: ignore[arg-type]
        checker = Checker(self.desk, world)  # type: ignore[arg-type]
        return {
            name: found for name, check in CHECKS.items() if name != "artifacts wrong" and (found := [*check(checker)])
        }


@pytest.fixture
def case(db: None, team: Team) -> Case:
    run: Run = RunFactory(agent=AgentFactory(team=team), title="chaos deliver s1", metadata={"key": "k1"})
    event_log.append(run, events.RunQueued(reason="created"), events.RunFinished(status="succeeded"))
    made = Case(run, Desk(), History())
    made.end("succeeded")
    made.history.starts.append(Start(key="k1", kind="deliver", order="s1", runs=[made.id]))
    made.history.views.append(View(made.id, seen=[1, 2], has_ended=True))
    return made


def effects(case: Case, count: int, at: float = 0.0) -> None:
    case.desk.effects += [Effect(f"{case.id}:2", "s1", case.id, at)] * count


def cancelled(case: Case) -> None:
    case.end("cancelled")
    case.history.cancels.append(Cancel(case.id, time.time() - 60))


def late_effect(case: Case) -> None:
    cancelled(case)
    effects(case, 1, time.time())


def effect_of_a_call_from_before(case: Case, *ends: str, step: int = 2) -> None:
    """A worker was paused between the intent and the call."""
    for type_ in ("tool.started", *ends):
        case.event(type_, step=step, tool="deliver", is_error=True)
    RunEvent.objects.update(at=timezone.now() - timedelta(minutes=2))
    case.history.views.clear()
    case.change(created_at=timezone.now() - timedelta(minutes=2))
    late_effect(case)


def effect_of_a_call_that_began_after(case: Case) -> None:
    """An earlier call is still open: its worker died after the effect."""
    case.desk.effects.append(Effect(f"{case.id}:1", "s0", case.id, time.time() - 120))
    effect_of_a_call_from_before(case, step=1)


def effect_that_came_again(case: Case) -> None:
    case.history.retries["s1"] += 1
    effects(case, 1, time.time() - 120)
    effect_of_a_call_from_before(case)


def paid(case: Case, **answer: Any) -> None:
    """Record one model call with the right rows in the ledger."""
    case.event("model.started", step=1, attempt=1)
    case.history.views.clear()
    case.usage("msg_1", "charged", "0.01", f"{case.id}:1:1")
    case.change(cost_usd=Decimal("0.01"))
    case.desk.given |= {"msg_1"}


def answered_too_late(case: Case) -> None:
    paid(case)
    UsageRecord.objects.update(outcome="free")
    case.change(cost_usd=0)


def answered_after_cancel(case: Case) -> None:
    answered_too_late(case)
    cancelled(case)


def answered_after_the_owner_was_lost(case: Case) -> None:
    answered_too_late(case)
    case.event("attempt.lost", worker="one", recoveries=1, reason="lease")


def budget(case: Case, **values: Any) -> None:
    made = {"limit_usd": 1, "spent_usd": 0, "reserved_usd": 0} | values
    Budget.objects.create(team=case.run.team, period="2026-11-01", **made)


def never_booked(case: Case) -> None:
    case.event("model.started", step=1, attempt=1)
    case.history.views.clear()


def twice(case: Case) -> None:
    for _ in range(2):
        case.event("tool.finished", step=2, tool="write_file", is_error=False)
    case.history.views.clear()


def delivered(case: Case) -> None:
    case.event("tool.finished", step=2, tool="deliver", is_error=False)
    case.history.views.clear()


def asked(case: Case, **values: Any) -> None:
    HumanRequest.objects.create(team=case.run.team, run=case.run, kind="question", title="?", status="open", **values)


def unheard(case: Case) -> None:
    paid(case)
    case.desk.given |= {"msg_2"}


def later(case: Case, *due: str, begins_in_s: float) -> None:
    for reason in due:
        case.event("run.queued", reason=reason)
    case.event("run.started", worker="one", attempt=1)
    case.history.views.clear()
    case.change(title="chaos later s1", start_at=timezone.now() - timedelta(seconds=begins_in_s))


def wrote(case: Case, *paths: str) -> None:
    """Store the last versions of the named files only."""
    case.change(title="chaos files s1")
    for path in paths:
        [*_, content] = [call["content"] for [(_, call)] in SCRIPTS["files"]("s1") if call["path"] == path]
        kept = StoredFileFactory(team=case.run.team, sha256=hashlib.sha256(content.encode()).hexdigest())
        Artifact.objects.create(team=case.run.team, run=case.run, path=path, file=kept)


def away(case: Case, *calls_after_s: float) -> None:
    """Record an outage of a minute that began two minutes ago, with calls at those seconds after its start."""
    began = timezone.now() - timedelta(minutes=2)
    case.history.outages.append((began.timestamp(), began.timestamp() + 60))
    case.change(created_at=began)
    case.history.views.clear()
    for n, after_s in enumerate(calls_after_s):
        attempt = {"step": 1, "attempt": n + 1}
        case.event("model.started", **attempt)
        case.event("error", code="model_overloaded", detail="", will_retry=True)
        made = RunEvent.objects.filter(run=case.run, type="model.started").order_by("-seq")[:1]
        RunEvent.objects.filter(pk__in=[made[0].pk]).update(at=began + timedelta(seconds=after_s))


def called_all_the_time(case: Case) -> None:
    away(case, *[20.0] * (FREE_CALLS + 21))


def asked_about_nothing(case: Case) -> None:
    Step.objects.create(run=case.run, index=2, kind="tool", status="done", tool="deliver", effect_at=None)
    asked(case, step_index=2)
    HumanRequest.objects.update(kind="unknown_effect", status="answered")


SPOILT: list[tuple[str, Callable[[Case], Any]]] = [
    ("lost", lambda case: case.change(status="queued", finished_at=None)),
    ("lost", lambda case: case.change(status="cancelled")),
    ("lost", lambda case: case.end("failed", error_code="internal")),
    ("lost", lambda case: case.history.starts.append(Start("k2", "plain", "s2", runs=[str(uuid4())]))),
    ("lost", lambda case: case.history.starts.append(Start("k2", "plain", "s2"))),
    ("failed by the outage", lambda case: case.end("failed", error_code="model_error")),
    ("failed by the outage", called_all_the_time),
    ("needless questions", asked_about_nothing),
    ("poison not stopped", lambda case: case.change(title="chaos poison s1")),
    ("doubled runs", lambda case: RunFactory(agent=case.run.agent, title="chaos deliver s1", metadata={"key": "k1"})),
    ("doubled starts", lambda case: later(case, "scheduled", "scheduled", "scheduled", begins_in_s=1)),
    ("doubled starts", lambda case: later(case, "scheduled", "scheduled", begins_in_s=-5)),
    ("times wrong", lambda case: RunEvent.objects.filter(seq=1).update(at=timezone.now() + timedelta(hours=1))),
    ("times wrong", lambda case: asked(case, expires_at=timezone.now() + EXPIRES_AFTER - timedelta(hours=1))),
    ("doubled steps", twice),
    ("doubled effects", lambda case: effects(case, 2)),
    ("effects lost", delivered),
    ("doubled answers", lambda case: case.history.answers.update({"request": 2})),
    ("after cancel", late_effect),
    ("after cancel", lambda case: effect_of_a_call_from_before(case, "tool.finished")),
    ("after cancel", effect_of_a_call_that_began_after),
    ("after cancel", effect_that_came_again),
    ("after cancel", lambda case: case.history.cancels.append(Cancel(case.id, 0))),
    ("events missing", lambda case: RunEvent.objects.filter(run=case.run, seq=1).delete()),
    ("views wrong", lambda case: case.history.views.append(View(case.id, seen=[1], has_ended=True))),
    ("views wrong", lambda case: case.history.views.append(View(case.id, seen=[1, 2]))),
    ("ledger wrong", lambda case: case.change(cost_usd=Decimal("0.5"))),
    ("ledger wrong", never_booked),
    ("ledger wrong", answered_too_late),
    ("model unaccounted", unheard),
    ("model unaccounted", lambda case: case.usage("msg_9", "free", "0")),
    ("overspend", lambda case: budget(case, spent_usd=2)),
    ("overspend", lambda case: budget(case, reserved_usd=1)),
    ("overspend", lambda case: case.history.overspend.update({"one": Decimal(1)})),
    ("open requests", asked),
    ("files missing", lambda case: case.change(title="chaos files s1")),
    ("files missing", lambda case: wrote(case, "report.md")),
]


@pytest.mark.parametrize(
    "spare",
    [
        paid,
        cancelled,
        effect_of_a_call_from_before,
        answered_after_cancel,
        answered_after_the_owner_was_lost,
        lambda case: effects(case, 1),
        lambda case: away(case, 1.0, 20.0, 50.0),
        budget,
        lambda case: wrote(case, "report.md", "data/rows.csv"),
    ],
)
def test_what_is_right_is_not_reported(case: Case, spare: Callable[[Case], Any]) -> None:
    assert case.broken() == {}

    spare(case)

    assert case.broken() == {}


@pytest.mark.parametrize(("check", "spoil"), SPOILT, ids=[f"{name} {n}" for n, (name, _) in enumerate(SPOILT)])
def test_what_is_wrong_is_reported(case: Case, check: str, spoil: Callable[[Case], Any]) -> None:
    spoil(case)

    assert check in case.broken()
