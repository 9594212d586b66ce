"""Outages of a model. Runs wait without a worker, one of them probes, and all go on when it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from agents.runtimes.base import ModelError
from billing.models import Budget, Reservation, UsageRecord
from tasks.engine import circuits, outages
from tasks.engine.circuits import OPEN_AFTER
from tasks.models import ModelCircuit, Run
from tasks.services import periodic, repairs, runs, steering
from tests.periodic import run_periodic_jobs
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until

pytestmark = pytest.mark.django_db(transaction=True)
Play = Callable[..., Scripted]
Start = Callable[..., Run]


def error(kind: str = "overloaded", **more: Any) -> ModelError:
    values: dict[str, Any] = {"retryable": True, "sent": False, "retry_after_s": None} | more
    return ModelError(f"The model is {kind}.", kind=kind, **values)


class Outage:
    """Script of a model that fails with `error`, or answers while it is None."""

    def __init__(self) -> None:
        self.error: ModelError | None = error()

    def __call__(self, request: Any) -> Any:
        return self.error or [say("Done.")]


@pytest.fixture
def outage(scripted: Play) -> tuple[Outage, Scripted]:
    away = Outage()
    return away, scripted(away)


def waiting(run: Run) -> Run:
    return settled(run, "waiting")


def all_wait(several: list[Run]) -> None:
    for run in several:
        waiting(run)


def circuit() -> ModelCircuit:
    return ModelCircuit.objects.get()


def make_due() -> None:
    ModelCircuit.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    Run.objects.filter(waiting_kind="model").update(start_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.promise("G19")
@pytest.mark.parametrize(
    ("kind", "sent"),
    [("overloaded", False), ("rate_limit", False), ("connection", False), ("server", True), ("timeout", True)],
)
@pytest.mark.usefixtures("driver", "short_waits")
def test_an_outage_however_long_fails_no_run(
    start: Start, outage: tuple[Outage, Scripted], kind: str, sent: bool
) -> None:
    away, runtime = outage
    away.error = error(kind, sent=sent)
    several = [start() for _ in range(8)]

    until(lambda: periodic.resume_after_outages() or len(runtime.calls) > 24)
    all_wait(several)
    assert {run.waiting_kind for run in several} == {"model"}
    away.error = None
    until(lambda: periodic.resume_after_outages() or not Run.objects.filter(waiting_kind="model").exists())

    for run in several:
        settled(run, "succeeded")
        assert (run.turns, run.cost_usd) == (1, Decimal("0.010000"))
    assert UsageRecord.objects.filter(outcome="charged").count() == len(several)
    assert UsageRecord.objects.filter(outcome="unknown").exists() is sent
    assert (circuit().is_open, circuit().failures) == (False, 0)
    assert circuit().closed_at is not None


@pytest.mark.promise("G19")
@pytest.mark.usefixtures("driver", "short_waits")
def test_one_run_probes_and_the_others_are_left_alone(
    start: Start, outage: tuple[Outage, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, runtime = outage
    monkeypatch.setattr(circuits, "FIRST_PROBE_S", 60.0)
    several = [start() for _ in range(9)]
    all_wait(several)
    assert circuit().is_open

    for _ in range(3):
        calls, told = len(runtime.calls), [run.last_seq for run in several]
        make_due()
        periodic.resume_after_outages()
        periodic.resume_after_outages()
        until(lambda: not circuit().probe_run)
        all_wait(several)
        assert len(runtime.calls) == calls + 1
        assert sum(run.last_seq > seq for run, seq in zip(several, told, strict=True)) == 1

    assert circuit().probes == 3


@pytest.mark.promise("G19")
@pytest.mark.usefixtures("driver")
def test_a_run_that_starts_during_an_outage_makes_no_call(start: Start, outage: tuple[Outage, Scripted]) -> None:
    _, runtime = outage
    ModelCircuit.objects.create(
        provider="demo", model="demo-1", failures=7, failing_since=timezone.now(), opened_at=timezone.now(),
        retry_at=timezone.now() + timedelta(seconds=40), detail="The model is overloaded.",
    )  # fmt: skip

    run = waiting(start())

    assert (run.waiting_kind, run.lease_expires_at, len(runtime.calls)) == ("model", None, 0)
    assert last(run, "run.waiting")["detail"] == "The model is overloaded."
    assert types(run)[-2:] == ["run.started", "run.waiting"]
    run_periodic_jobs()
    waiting(run)
    assert len(runtime.calls) == 0


@pytest.mark.promise("G19")
@pytest.mark.usefixtures("driver", "short_waits")
def test_runs_go_on_with_the_next_sweep_when_the_model_answers(start: Start, outage: tuple[Outage, Scripted]) -> None:
    several = [start() for _ in range(OPEN_AFTER + 1)]
    all_wait(several)
    outage[0].error = None
    ModelCircuit.objects.update(opened_at=None, failures=0)
    Run.objects.update(start_at=timezone.now())

    run_periodic_jobs()

    assert [settled(run).status for run in several] == ["succeeded"] * len(several)


@pytest.mark.promise("G19")
@pytest.mark.usefixtures("transactional_db", "fast_engine", "short_waits")
def test_of_two_workers_one_probes(
    start: Start, outage: tuple[Outage, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    away, runtime = outage
    monkeypatch.setattr(circuits, "FIRST_PROBE_S", 60.0)
    with engine("first"), engine("second"):
        several = [start() for _ in range(10)]
        all_wait(several)
        calls = len(runtime.calls)
        make_due()
        Run.objects.filter(waiting_kind="model").update(status="queued", waiting_kind="", start_at=None)
        until(lambda: not circuit().probe_run and Run.objects.filter(waiting_kind="model").count() == 10)

        assert len(runtime.calls) == calls + 1
        away.error = None
        make_due()
        until(lambda: periodic.resume_after_outages() or not Run.objects.filter(waiting_kind="model").exists())
        assert [settled(run).status for run in several] == ["succeeded"] * 10


@pytest.mark.usefixtures("transactional_db", "fast_engine", "short_waits")
def test_an_outage_outlives_the_workers_and_a_dead_probe_makes_room(
    start: Start, outage: tuple[Outage, Scripted]
) -> None:
    _, runtime = outage
    with engine("before"):
        several = [start() for _ in range(6)]
        all_wait(several)
    calls = len(runtime.calls)
    make_due()
    periodic.resume_after_outages()  # no worker claims the chosen run
    chosen = circuit().probe_run
    assert chosen is not None
    runs.cancel_run(run=Run.objects.get(pk=chosen), actor=None)

    periodic.resume_after_outages()

    assert circuit().probe_run not in (None, chosen)
    with engine("after"):
        until(lambda: not circuit().probe_run)
    assert len(runtime.calls) == calls + 1


@pytest.mark.usefixtures("driver")
def test_a_provider_that_asks_for_time_gets_it(start: Start, outage: tuple[Outage, Scripted]) -> None:
    away, runtime = outage
    away.error = error("rate_limit", retry_after_s=90)
    begun = timezone.now()

    run = waiting(start())

    assert (run.waiting_kind, run.lease_expires_at, len(runtime.calls)) == ("model", None, 1)
    assert run.start_at is not None
    assert timedelta(seconds=89) < run.start_at - begun < timedelta(seconds=120)
    run_periodic_jobs()
    waiting(run)


def test_a_short_retry_after_is_a_minimum_and_no_limit() -> None:
    asked = error(retry_after_s=1.0)
    waits = [[outages.wait_after(failures, asked) for _ in range(50)] for failures in (1, 4, 7, 40)]

    assert all(wait >= 1.0 for some in waits for wait in some)
    assert [max(some) <= most for some, most in zip(waits, (1.1, 8.0, 60.0, 60.0), strict=True)] == [True] * 4
    assert min(waits[1]) >= 4.0
    assert min(waits[3]) >= 30.0
    assert len(set(waits[3])) > 40
    assert min(outages.wait_after(1, error(retry_after_s=900.0)) for _ in range(50)) >= 900.0


@pytest.mark.usefixtures("driver", "short_waits")
def test_a_request_that_breaks_every_answer_ends_alone(start: Start, scripted: Play) -> None:
    broken = error("server", sent=True)
    runtime = scripted(lambda request: broken if "poison" in str(request.messages) else [say("Done.")])
    run = start()
    Run.objects.filter(pk=run.pk).update(prompt="poison")

    until(lambda: periodic.resume_after_outages() or Run.objects.filter(pk=run.pk, status="failed").exists())

    run.refresh_from_db()
    assert (run.error_code, len(runtime.calls)) == ("model_error", outages.MAX_BILLED_FAILURES)
    assert (circuit().is_open, circuit().failures) == (False, 1)
    assert settled(start()).status == "succeeded"


@pytest.mark.usefixtures("driver", "short_waits")
def test_what_is_about_the_request_opens_no_circuit(start: Start, outage: tuple[Outage, Scripted]) -> None:
    away, _ = outage
    away.error = error("malformed")
    several = [start() for _ in range(OPEN_AFTER + 2)]
    all_wait(several)

    assert not ModelCircuit.objects.exists()


@pytest.mark.usefixtures("driver", "short_waits")
def test_waiting_holds_no_money_and_takes_no_time(start: Start, outage: tuple[Outage, Scripted], alice: User) -> None:
    Budget.objects.create(team=alice.teams.get(), limit_usd=Decimal(1), period=timezone.now().date().replace(day=1))
    run = waiting(start(limits={"timeout_s": 30}))
    assert (Reservation.objects.count(), Budget.objects.get().reserved_usd) == (0, 0)
    used = run.active_s

    steering.steer_run(run=run, actor=alice, text="Hurry.")
    waiting(run)
    assert (run.active_s, run.finished_at) == (used, None)
    runs.cancel_run(run=run, actor=alice)

    make_due()
    periodic.resume_after_outages()
    run.refresh_from_db()
    assert (run.status, types(run)[-1]) == ("cancelled", "run.finished")


@pytest.mark.usefixtures("driver", "short_waits")
def test_a_run_goes_on_after_its_last_settled_step(scripted: Play, start: Start) -> None:
    moves: list[Any] = [*[error()] * 4, [say("Done.")]]
    runtime = scripted([call("list_files")], lambda request: moves.pop(0))
    run = start("list_files")

    until(lambda: periodic.resume_after_outages() or Run.objects.filter(pk=run.pk, status="succeeded").exists())

    run.refresh_from_db()
    assert (types(run).count("tool.started"), len(runtime.calls), run.turns) == (1, 6, 2)


@pytest.mark.usefixtures("driver", "short_waits")
def test_an_answer_that_was_on_its_way_before_does_not_end_the_outage(start: Start, scripted: Play) -> None:
    late = asyncio.Event()
    is_away: list[ModelError] = []

    async def hold(request: Any) -> None:
        if not is_away:
            is_away.append(error())
            await late.wait()

    runtime = scripted(lambda request: [say("Done.")] if request.run_id == str(first.pk) else is_away[0])
    runtime.before_turn = hold
    first = start()
    until(lambda: is_away)
    others = [start() for _ in range(OPEN_AFTER + 1)]
    all_wait(others)
    late.set()
    settled(first, "succeeded")

    assert circuit().is_open


@pytest.mark.usefixtures("driver", "short_waits")
def test_the_api_and_the_page_say_what_the_run_waits_for(
    start: Start, outage: tuple[Outage, Scripted], as_alice: Client
) -> None:
    several = [start() for _ in range(OPEN_AFTER + 1)]
    all_wait(several)
    retry_at = timezone.now() + timedelta(minutes=5)
    ModelCircuit.objects.update(retry_at=retry_at, probe_until=None)

    shown = as_alice.get(f"/api/v1/runs/{several[0].pk}/", headers={"X-Team": "acme"}).json()
    listed = as_alice.get("/api/v1/runs/", headers={"X-Team": "acme"}).json()["results"]
    page = as_alice.get(reverse("tasks:run_detail", args=["acme", several[0].pk])).content.decode()
    needs_you = as_alice.get(f"{reverse('tasks:run_list', args=['acme'])}?status=needs_you").content.decode()

    wait = shown["waiting_on"]
    assert (wait["kind"], wait["id"], wait["title"]) == ("model", None, "Waiting for the model")
    assert wait["retry_at"] == retry_at.isoformat().replace("+00:00", "Z")
    assert {one["waiting_on"]["retry_at"] for one in listed} == {wait["retry_at"]}
    assert "Waiting for the model" in page
    assert "demo-1 has not answered since" in page
    assert str(several[0].pk) not in needs_you


@pytest.mark.usefixtures("driver", "short_waits")
def test_runs_that_wait_for_a_model_are_not_stuck(start: Start, outage: tuple[Outage, Scripted]) -> None:
    several = [start() for _ in range(OPEN_AFTER)]
    all_wait(several)
    Run.objects.update(start_at=timezone.now() - timedelta(minutes=10))
    assert repairs.stuck_runs() == []

    ModelCircuit.objects.all().delete()

    assert len(repairs.stuck_runs()) == len(several)


@pytest.mark.promise("G19")
@pytest.mark.usefixtures("driver", "short_waits")
@pytest.mark.parametrize("said", ["half \ud83d", "nul \x00"])
def test_an_error_whose_words_the_database_refuses_fails_no_run(
    start: Start, outage: tuple[Outage, Scripted], said: str
) -> None:
    away, _ = outage
    away.error = ModelError(f"It said: {said}", kind="overloaded", retryable=True, sent=False)
    run = start()
    until(lambda: ModelCircuit.objects.filter(failures__gte=1).exists() or Run.objects.get(pk=run.pk).is_terminal)
    away.error = None

    until(lambda: periodic.resume_after_outages() or Run.objects.get(pk=run.pk).is_terminal)
    settled(run, "succeeded")
    assert last(run, "error") == {
        "code": "model_overloaded",
        "detail": f"It said: {said[:-1]}\ufffd",
        "will_retry": True,
    }


@pytest.mark.usefixtures("transactional_db")
def test_the_first_answer_after_a_failure_is_noted_once_however_many_pieces_it_has() -> None:
    class Rows:
        def __init__(self) -> None:
            self.statements: list[str] = []
            self.may_answer = asyncio.Event()

        async def rows(self, statement: str, values: Any = None) -> list[Any]:
            self.statements.append(statement)
            await self.may_answer.wait()
            return []

    async def answer() -> list[str]:
        rows, key = Rows(), ("anthropic", "claude")
        noted = circuits.Circuits(rows)
        noted._known[key] = circuits.Circuit(1, None, None, None, None, timezone.now(), "")
        for _ in range(50):
            noted.answered(key, timezone.now())
            await asyncio.sleep(0)
        rows.may_answer.set()
        await noted.close()
        return rows.statements

    assert len(asyncio.run(answer())) == 1
