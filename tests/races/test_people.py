"""Simultaneous actions of people (starts, answers, cancels) and of the periodic jobs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry, Team, TokenFamily, User
from accounts.services import tokens
from tasks import event_log, events
from tasks.models import HumanRequest, Run
from tasks.services import answers, periodic
from tasks.services import runs as running
from tests.calling import api_of
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory, start_run
from tests.races.concurrency import at_once, while_open
from tests.tasks.scripted import Scripted, call, engine, types, until
from tests.timeouts import PATIENCE_S
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]


def seqs(run: Run) -> list[int]:
    return list(run.events.order_by("seq").values_list("seq", flat=True))


# ---- Starting


@pytest.mark.promise("G10")
def test_twenty_equal_posts_at_once_start_one_run(team: Team, alice: User) -> None:
    api = api_of(alice, team)
    body = {"agent": str(AgentFactory(team=team).pk), "prompt": "Count the refunds."}

    def post(_: int) -> Any:
        return api.send("POST", "/api/v1/runs/", body, Idempotency_Key="order-7")

    said = at_once(20, post)
    after = post(0)

    run = Run.objects.get()
    assert seqs(run) == [1, 2]
    assert Counter(answer.status_code for answer in said).keys() <= {201, 409}
    made = [answer for answer in said if answer.status_code == 201]
    assert {answer.json()["id"] for answer in [*made, after]} == {str(run.pk)}
    assert [("Idempotent-Replayed" in answer) for answer in made].count(False) == 1
    assert {answer.json()["code"] for answer in said if answer.status_code == 409} <= {"idempotency_in_progress"}
    assert (after.status_code, after["Idempotent-Replayed"]) == (201, "true")
    other = api.send("POST", "/api/v1/runs/", body | {"prompt": "Another."}, Idempotency_Key="order-7")
    assert (other.status_code, Run.objects.count()) == (409, 1)


@pytest.mark.promise("G11")
def test_two_clocks_at_once_start_each_scheduled_run_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[object] = []
    monkeypatch.setattr("tasks.queue.wake_run", woken.append)
    agent = AgentFactory(team=alice.teams.get())
    soon = timezone.now() + timedelta(hours=1)
    made = [start_run(team=agent.team, actor=alice, agent=agent, prompt="Go", start_at=soon) for _ in range(60)]
    Run.objects.update(start_at=timezone.now())

    meeting, has_met, move_to = threading.Barrier(2), threading.local(), Run.move_to

    def move_together(run: Run, *args: Any, **more: Any) -> None:
        """Wait until both processes have a run in hand, then move it."""
        if not hasattr(has_met, "other"):
            has_met.other = meeting.wait(PATIENCE_S)
        move_to(run, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "move_to", move_together)
        said = at_once(2, lambda _: periodic.start_due_runs())
    periodic.start_due_runs()

    assert said == [None, None]
    assert Counter(woken) == Counter(run.pk for run in made)
    for run in made:
        run.refresh_from_db()
        told = [(e.type, e.data.get("reason")) for e in run.events.order_by("seq")]
        assert told == [("run.created", None), ("run.queued", "scheduled"), ("run.queued", "scheduled")]
        assert (run.status, run.last_seq) == ("queued", 3)


# ---- Answering


def approval(run_fields: dict[str, Any]) -> HumanRequest:
    run = RunFactory(status="waiting", waiting_kind="approval", **run_fields)
    made: HumanRequest = HumanRequestFactory(
        run=run, kind="approval", tool="write_file", arguments={"path": "a.txt", "content": "1"}, digest="sha256:1"
    )
    return made


@pytest.mark.promise("G13")
def test_of_two_answers_at_once_one_counts_and_one_is_refused(team: Team, alice: User, bob: User) -> None:
    asked = [approval({"agent": AgentFactory(team=team)}) for _ in range(10)]

    for one in asked:

        def answer(number: int, one: HumanRequest = one) -> Any:
            word = {"decision": ["approve", "reject"][number], "digest": "sha256:1"}
            return answers.answer_request(asked=one, actor=[alice, bob][number], answer=word)

        said = at_once(2, answer)

        assert sorted(type(word).__name__ for word in said) == ["Conflict", "HumanRequest"]
        won = next(word for word in said if isinstance(word, HumanRequest))
        lost = next(word for word in said if isinstance(word, Conflict))
        one.refresh_from_db()
        assert (one.status, one.answer, one.answered_by) == ("answered", won.answer, won.answered_by)
        assert lost.detail == f"It was already answered by {won.answered_by.display_name}."
        assert types(one.run) == ["human.answered", "run.queued"]


@pytest.mark.promise("G12", "G13")
def test_an_answer_and_a_cancel_at_once_leave_one_story(team: Team, alice: User, bob: User) -> None:
    for _ in range(10):
        asked = approval({"agent": AgentFactory(team=team)})
        word = {"decision": "approve", "digest": "sha256:1"}
        acts: list[Callable[[], Any]] = [
            lambda asked=asked, word=word: answers.answer_request(asked=asked, actor=alice, answer=word),
            lambda asked=asked: running.cancel_run(run=asked.run, actor=bob),
        ]

        answered, cancelled = at_once(2, lambda n, acts=acts: acts[n]())

        asked.refresh_from_db()
        run = Run.objects.get(pk=asked.run_id)
        assert isinstance(cancelled, Run)
        assert (run.status, types(run)[-1], types(run).count("run.finished")) == ("cancelled", "run.finished", 1)
        if isinstance(answered, HumanRequest):
            assert (asked.status, types(run)[0]) == ("answered", "human.answered")
        else:
            assert (type(answered), asked.status, types(run)) == (Conflict, "void", ["run.finished"])


@pytest.mark.promise("G13")
def test_an_answer_after_the_run_has_gone_on_does_not_touch_it(team: Team, alice: User, bob: User) -> None:
    asked = approval({"agent": AgentFactory(team=team)})
    word = {"decision": "approve", "digest": "sha256:1"}
    answers.answer_request(asked=asked, actor=alice, answer=word)
    lease = timezone.now() + timedelta(minutes=1)
    Run.objects.filter(pk=asked.run_id).update(status="running", epoch=2, lease_expires_at=lease)
    seen = Run.objects.values().get(pk=asked.run_id)

    with pytest.raises(Conflict, match="already answered by Alice"):
        answers.answer_request(asked=asked, actor=bob, answer=word)

    assert Run.objects.values().get(pk=asked.run_id) == seen


# ---- Stopping


@pytest.mark.promise("G1", "G12")
def test_eight_cancels_at_once_end_a_run_once(team: Team, alice: User) -> None:
    run = RunFactory(agent=AgentFactory(team=team))
    copies = [Run.objects.get(pk=run.pk) for _ in range(8)]

    said = at_once(8, lambda n: running.cancel_run(run=copies[n], actor=alice))

    assert [word.status for word in said] == ["cancelled"] * 8
    assert AuditEntry.objects.filter(action="run.cancelled").count() == 1
    run.refresh_from_db()
    assert (run.status, types(run)) == ("cancelled", ["run.finished"])


@pytest.mark.promise("G1", "G12")
def test_after_a_cancel_is_acknowledged_no_call_starts(
    fast_engine: None, scripted: Play, start: Start, tool: Make, alice: User
) -> None:
    """Cancel sixteen runs in the middle of endless calls, each at a moment of its own."""
    begun: Counter[str] = Counter()
    lock = threading.Lock()

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        with lock:
            begun[context.run_id] += 1
        return ToolResult(content=str(begun[context.run_id]), summary="Probed")

    name = tool(probe, effect=Effect.EFFECTFUL)
    runtime = scripted(lambda request: [call(name, f"toolu_{len(request.messages)}")])
    with engine("one"), engine("two"):
        runs = [start(name, limits={"max_turns": 5000, "max_cost_usd": 1000, "timeout_s": 60}) for _ in range(16)]
        acknowledged: dict[int, int] = {}

        def cancel(number: int) -> None:
            run = runs[number]
            until(lambda: begun[str(run.pk)] > number)
            running.cancel_run(run=Run.objects.get(pk=run.pk), actor=alice)
            acknowledged[number] = intents(run)

        assert at_once(16, cancel) == [None] * 16

    for number, run in enumerate(runs):
        run.refresh_from_db()
        told = types(run)
        assert (run.status, told[-1], told.count("run.finished")) == ("cancelled", "run.finished", 1)
        assert intents(run) == acknowledged[number]
        assert begun[str(run.pk)] <= told.count("tool.started")
        assert sum(c.run_id == str(run.pk) for c in runtime.calls) <= told.count("model.started")


def intents(run: Run) -> int:
    """Return how many calls of the model and of tools have begun. Each commits its intent first."""
    return run.events.filter(type__in=("tool.started", "model.started")).count()


# ---- Speaking


@pytest.mark.promise("G8")
def test_many_who_append_to_one_run_at_once_leave_no_gap(team: Team) -> None:
    run = RunFactory(agent=AgentFactory(team=team))
    copies = [Run.objects.get(pk=run.pk) for _ in range(8)]

    def say_much(number: int) -> None:
        for n in range(25):
            event_log.append(copies[number], events.Log(text=f"{number}.{n}"), events.Log(text=f"{number}.{n} again"))

    assert at_once(8, say_much) == [None] * 8

    run.refresh_from_db()
    assert (run.last_seq, seqs(run)) == (400, list(range(1, 401)))
    texts = list(run.events.order_by("seq").values_list("data__text", flat=True))
    assert texts[1::2] == [f"{text} again" for text in texts[::2]]


# ---- Tokens


def test_of_two_refreshes_with_one_token_one_is_answered_and_the_family_ends(alice: User) -> None:
    pair = tokens.issue_pair(user=alice)

    said = at_once(8, lambda _: tokens.rotate(pair.refresh))

    assert [type(answer) for answer in said].count(tokens.Pair) == 1
    assert sum(isinstance(answer, tokens.InvalidToken) for answer in said) == 7
    assert TokenFamily.objects.live().exists() is False


# ---- Children


@pytest.mark.promise("G12")
def test_no_child_lives_on_that_was_started_beside_the_cancel_of_its_parent(team: Team, alice: User) -> None:
    agent = AgentFactory(team=team)
    parent = start_run(team=team, actor=alice, agent=agent, prompt="Go")
    before = start_run(team=team, actor=alice, agent=agent, prompt="Go", parent=parent)

    def begin() -> str:
        try:
            return start_run(team=team, actor=alice, agent=agent, prompt="Go", parent=parent).status
        except Conflict as refused:
            return refused.detail

    said = while_open(lambda: running.cancel_run(run=Run.objects.get(pk=parent.pk), actor=alice), begin)

    assert said == "The run that asked for this one has ended, so nothing was started."
    assert list(Run.objects.filter(parent=parent).values_list("pk", "status")) == [(before.pk, "cancelled")]
