"""Forks and replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.errors import InvalidInput
from accounts.models import AuditEntry, Team, User
from agents.services import agents
from tasks.models import Artifact, Run, RunEvent
from tasks.services import forks, runs
from tests.factories import AgentFactory, TaskFactory
from tests.tasks.scripted import Scripted, call, last, say, settled, types

pytestmark = pytest.mark.usefixtures("driver")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
ONE = call("write_file", "toolu_1", path="a.txt", content="one")
TWO = call("write_file", "toolu_2", path="b.txt", content="two")


def seq_of(run: Run, type_: str, nth: int = 0) -> int:
    return list(RunEvent.objects.filter(run=run, type=type_).order_by("seq").values_list("seq", flat=True))[nth]


@pytest.fixture
def done(scripted: Play, start: Start) -> Run:
    scripted([ONE], [TWO], [say("Done.")])
    return settled(start("write_file"), "succeeded")


def test_a_fork_continues_after_the_kept_step_and_reuses_results(scripted: Play, done: Run, alice: User) -> None:
    runtime = scripted([ONE], [TWO], [say("Done again.")])

    fork = settled(forks.fork_run(run=done, actor=alice, from_seq=seq_of(done, "tool.finished")), "succeeded")

    assert (fork.output, fork.forked_from, len(runtime.calls)) == ("Done again.", done, 2)
    assert "tool.started" not in types(fork)
    assert last(fork, "tool.finished")["summary"].startswith("Reused: ")
    kept = {a.path: a.file.sha256 for a in Artifact.objects.filter(run=fork)}
    assert kept == {a.path: a.file.sha256 for a in Artifact.objects.filter(run=done)}
    assert sorted(kept) == ["a.txt", "b.txt"]


def test_the_first_call_that_differs_ends_the_reuse(scripted: Play, done: Run, alice: User) -> None:
    other = call("write_file", "toolu_1", path="c.txt", content="three")
    scripted([other], [TWO], [say("Done.")])

    fork = settled(forks.fork_run(run=done, actor=alice), "succeeded")

    assert types(fork).count("tool.started") == 2
    assert sorted(Artifact.objects.filter(run=fork).values_list("path", flat=True)) == ["b.txt", "c.txt"]


def test_a_changed_prompt_and_model_are_what_the_model_reads(
    scripted: Play, done: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scripted([say("Hi.")])

    monkeypatch.setattr("agents.services.models.DEMO_MODEL", "demo-2")
    fork = settled(forks.fork_run(run=done, actor=alice, prompt="Say hi.", model="demo-2"), "succeeded")

    content: Any = runtime.calls[0].messages[0]["content"]
    assert (content[0]["text"], runtime.calls[0].model) == ("Say hi.", "demo-2")
    done.refresh_from_db()
    assert (done.prompt, fork.prompt) == ("Look at the numbers.", "Say hi.")


def test_a_changed_tool_result(scripted: Play, done: Run, alice: User) -> None:
    runtime = scripted([ONE], [say("I see.")])
    seq = seq_of(done, "tool.finished")

    settled(forks.fork_run(run=done, actor=alice, from_seq=seq, tool_result="The disk is full."), "succeeded")

    content: Any = runtime.calls[0].messages[-1]["content"]
    assert content[0]["content"] == "The disk is full."


def test_a_prompt_cannot_come_between_a_call_and_its_result(done: Run, alice: User) -> None:
    with pytest.raises(InvalidInput, match="waits for a tool result"):
        forks.fork_run(run=done, actor=alice, from_seq=seq_of(done, "model.finished"), prompt="Stop.")

    assert Run.objects.count() == 1


def test_a_replay_calls_nothing_and_gives_the_same(scripted: Play, done: Run, alice: User) -> None:
    runtime = scripted([say("Never.")])

    replay = settled(forks.replay_run(run=done, actor=alice), "succeeded")

    assert (replay.output, runtime.calls, replay.cost_usd) == ("Done.", [], 0)
    assert "tool.started" not in types(replay)
    assert sorted(Artifact.objects.filter(run=replay).values_list("path", flat=True)) == ["a.txt", "b.txt"]


def test_a_replay_of_two_writes_to_one_file_in_one_turn(scripted: Play, start: Start, alice: User) -> None:
    again = call("write_file", "toolu_2", path="a.txt", content="two")
    scripted([ONE, again], [say("Done.")])
    run = settled(start("write_file"), "succeeded")

    replay = settled(forks.replay_run(run=run, actor=alice))

    assert (replay.status, replay.error_detail) == ("succeeded", "")
    kept, copy = Artifact.objects.get(run=run), Artifact.objects.get(run=replay)
    assert (copy.file.sha256, copy.version) == (kept.file.sha256, 2)


@pytest.mark.parametrize(("pinned", "present"), [("allow", "ask"), ("ask", "allow")])
def test_a_fork_asks_where_its_version_or_the_agent_of_today_does(
    scripted: Play, start: Start, alice: User, pinned: str, present: str
) -> None:
    scripted([say("Done.")])
    run = settled(start("write_file", policies={"write_file": pinned}), "succeeded")
    tools = [{"tool": "write_file", "policy": present}]
    agents.update_agent(agent=run.agent, actor=alice, changes={"tools": tools})
    scripted([ONE], [say("Done.")])

    fork = settled(forks.fork_run(run=run, actor=alice))

    assert (fork.version, fork.status, fork.waiting_kind) == (run.version, "waiting", "approval")
    assert "tool.started" not in types(fork)


@pytest.mark.parametrize("tools", [[], [{"tool": "write_file", "policy": "deny"}]])
def test_a_fork_has_no_tool_that_was_taken_from_the_agent_but_a_replay_shows_its_results(
    scripted: Play, done: Run, alice: User, tools: list[dict[str, str]]
) -> None:
    agents.update_agent(agent=done.agent, actor=alice, changes={"tools": tools})
    runtime = scripted([ONE], [say("Done without.")])

    fork = settled(forks.fork_run(run=done, actor=alice, reuse_tools=False), "succeeded")
    replay = settled(forks.replay_run(run=done, actor=alice), "succeeded")

    assert (runtime.calls[0].tools, Artifact.objects.filter(run=fork).count()) == ([], 0)
    assert "tool.started" not in types(fork)
    assert (replay.output, Artifact.objects.filter(run=replay).count()) == ("Done.", 2)


def test_forks_and_replays_belong_to_the_task_and_are_on_the_record(scripted: Play, team: Team, alice: User) -> None:
    scripted([say("Done.")])
    agent = AgentFactory(team=team, version__memory_enabled=False)
    named = [{"name": "month", "label": "Month", "type": "text", "required": True}]
    task = TaskFactory(team=team, agent=agent, prompt="Look at {{month}}.", variables=named)
    run = settled(runs.start_run(team=team, actor=alice, task=task, values={"month": "May"}), "succeeded")

    made = [forks.fork_run(run=run, actor=alice), forks.replay_run(run=run, actor=alice)]

    assert [(one.task, one.variables, one.prompt) for one in made] == [(task, {"month": "May"}, "Look at May.")] * 2
    entries = AuditEntry.objects.filter(subject_id__in=[str(one.pk) for one in made]).exclude(action="run.started")
    assert list(entries.order_by("pk").values_list("action", "actor")) == [
        ("run.forked", alice.pk),
        ("run.replayed", alice.pk),
    ]
    for one in made:
        settled(one, "succeeded")
