"""Messages to a live run. They are shown at once, read by the model in its next turn, and never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from accounts.errors import Conflict, InvalidInput
from accounts.models import AuditEntry, Team, User
from agents.runtimes.base import Stop
from tasks.models import Run, RunStatus, Step
from tasks.services.forks import fork_run, replay_run
from tasks.services.steering import steer_run
from tests.calling import api_of
from tests.factories import RunFactory
from tests.tasks.scripted import Scripted, call, engine, say, settled, types, until
from tests.timeouts import PATIENCE_S
from tools.spec import ToolResult

Play = Callable[..., Scripted]
Start = Callable[..., Run]


def heard(runtime: Scripted, turn: int) -> list[str]:
    """Return the messages that the model was given in that turn, without the prompt."""
    said = [block for message in runtime.calls[turn].messages[1:] for block in message["content"]]
    return [block["text"] for block in said if block["type"] == "text" and block["text"].startswith("A message")]


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_a_message_during_a_tool_call_is_read_with_the_next_turn(
    driver: Any, scripted: Play, start: Start, tool: Any, alice: User, gate: threading.Event, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tasks.engine.claimed_run.NEWS_S", 0.0)
    runtime = scripted([call(tool(lambda context, arguments: _wait(gate)))], [say("As you say.")])
    run = start("probe")
    until(lambda: "tool.started" in types(run))

    steer_run(run=run, actor=alice, text="Only this year.")
    gate.set()
    settled(run, "succeeded")

    assert heard(runtime, 0) == []
    assert heard(runtime, 1) == ["A message from Alice: Only this year."]
    blocks = [block["type"] for block in runtime.calls[1].messages[-1]["content"]]
    assert blocks == ["tool_result", "text"]
    assert len(runtime.calls) == 2


@pytest.mark.parametrize("review", [False, True])
def test_a_message_during_the_last_answer_keeps_the_run_from_ending(
    driver: Any, scripted: Play, start: Start, alice: User, gate: threading.Event, review: bool
) -> None:
    runtime = scripted([say("Done.")], [say("Done again.")])
    wait = gate.wait
    runtime.before_turn = lambda request: None if len(runtime.calls) > 1 else _in_thread(wait)
    run = start(review=review)
    until(lambda: len(runtime.calls) == 1)

    steer_run(run=run, actor=alice, text="And last year?")
    gate.set()
    settled(run, "needs_review" if review else "succeeded")

    assert run.output == "Done again."
    assert heard(runtime, 1) == ["A message from Alice: And last year?"]
    told = types(run)
    assert (told.count("run.finished"), told.count("run.needs_review")) == ((0, 1) if review else (1, 0))
    assert run.requests.count() == int(review)


def test_a_message_during_the_last_words_keeps_the_run_from_failing(
    driver: Any, scripted: Play, start: Start, alice: User, gate: threading.Event
) -> None:
    runtime = scripted((Stop.NO_RESULT, [say("I stopped: no such column.")]), [say("43 rows.")])
    wait = gate.wait
    runtime.before_turn = lambda request: None if len(runtime.calls) > 1 else _in_thread(wait)
    run = start()
    until(lambda: len(runtime.calls) == 1)

    steer_run(run=run, actor=alice, text="Count the rows instead.")
    gate.set()
    settled(run, "succeeded")

    assert (run.output, run.error_code) == ("43 rows.", "")
    assert heard(runtime, 1) == ["A message from Alice: Count the rows instead."]
    assert types(run).count("run.finished") == 1


def test_a_message_to_a_queued_run_survives_a_lost_worker_and_is_said_once(
    transactional_db: None, fast_engine: None, scripted: Play, start: Start, alice: User
) -> None:
    runtime = scripted([call("list_files")], [say("Done.")])
    run = start("list_files")
    steer_run(run=run, actor=alice, text="First.")
    steer_run(run=run, actor=alice, text="Second.")

    with engine():
        settled(run, "succeeded")

    both = ["A message from Alice: First.", "A message from Alice: Second."]
    first = [block["text"] for block in runtime.calls[0].messages[0]["content"]][1:]
    assert first == both
    assert [step.request["text"] for step in Step.objects.filter(run=run, kind="input")] == both


def test_a_fork_of_a_steered_run_hears_its_own_messages(driver: Any, scripted: Play, start: Start, alice: User) -> None:
    scripted([call("list_files")], [say("Done.")])
    run = start("list_files")
    steer_run(run=run, actor=alice, text="For the first one.")
    settled(run, "succeeded")
    runtime = scripted([call("list_files")], [say("Done.")])

    fork = fork_run(run=run, actor=alice, from_seq=run.events.filter(type="tool.finished").get().seq)
    steer_run(run=fork, actor=alice, text="For the fork.")
    settled(fork, "succeeded")

    assert heard(runtime, -1) == ["A message from Alice: For the fork."]


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.NEEDS_REVIEW])
def test_who_can_hear_nothing_more_refuses(team: Team, alice: User, status: RunStatus) -> None:
    ended = status != RunStatus.NEEDS_REVIEW
    run = RunFactory(team=team, status=status, **({"finished_at": "2026-11-21T10:00:00Z"} if ended else {}))

    answer = api_of(alice, team).send("POST", f"/api/v1/runs/{run.pk}/message/", {"text": "Hello?"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    run.refresh_from_db()
    assert (run.last_seq, run.last_message_seq) == (0, 0)
    assert not AuditEntry.objects.filter(action="run.steered").exists()


def test_a_replay_and_an_empty_word_are_refused(team: Team, alice: User) -> None:
    run = RunFactory(team=team, status=RunStatus.SUCCEEDED, finished_at="2026-11-21T10:00:00Z")
    replay = replay_run(run=run, actor=alice)

    with pytest.raises(Conflict, match="replay"):
        steer_run(run=replay, actor=alice, text="Hello")
    with pytest.raises(InvalidInput):
        steer_run(run=RunFactory(team=team), actor=alice, text=" \n ")


def test_over_the_api_it_is_one_event_for_one_key(team: Team, other_team: Team, alice: User) -> None:
    run, api = RunFactory(team=team), api_of(alice, team)
    path = f"/api/v1/runs/{run.pk}/message/"

    answers = [api.send("POST", path, {"text": "Faster."}, Idempotency_Key="m1") for _ in range(2)]
    theirs = api.send("POST", f"/api/v1/runs/{RunFactory(team=other_team).pk}/message/", {"text": "Faster."})

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["last_seq"] == 1
    event = run.events.get()
    assert (event.type, event.data) == ("message", {"step": 0, "role": "person", "text": "Faster.", "by": "Alice"})
    assert theirs.status_code == 404


def _wait(gate: threading.Event) -> Any:
    gate.wait(PATIENCE_S)
    return ToolResult(content="ok", summary="ok")


async def _in_thread(wait: Callable[[float], bool]) -> None:
    await asyncio.to_thread(wait, PATIENCE_S)
