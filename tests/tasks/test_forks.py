"""Forks and replays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from accounts.errors import Conflict, Forbidden, InvalidInput
from accounts.models import AuditEntry, Team, User
from agents.models import AgentVersion
from agents.runtimes.base import Stop
from agents.services import agents
from tasks.models import Artifact, Run, RunEvent, Step
from tasks.services import answers, forks, runs
from tasks.services.steering import steer_run
from tests.factories import AgentFactory, TaskFactory, start_run
from tests.tasks.scripted import Scripted, call, last, say, settled, types
from tests.timeouts import PATIENCE_S
from tools.spec import ToolResult

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


def test_a_replay_is_neither_run_again_nor_forked(done: Run, alice: User) -> None:
    """Retry and fork a replay. It has no model and no records of its own, so both could only fail."""
    replay = settled(forks.replay_run(run=done, actor=alice), "succeeded")
    before = Run.objects.count()

    for act in (runs.retry_run, forks.fork_run):
        with pytest.raises(Conflict, match="A replay only follows its records"):
            act(run=replay, actor=alice)
    assert runs.retry_runs(runs=[replay], actor=alice).refused == [replay]

    assert Run.objects.count() == before
    assert settled(forks.replay_run(run=replay, actor=alice)).status == "succeeded"


def test_a_replay_of_two_writes_to_one_file_in_one_turn(scripted: Play, start: Start, alice: User) -> None:
    again = call("write_file", "toolu_2", path="a.txt", content="two")
    scripted([ONE, again], [say("Done.")])
    run = settled(start("write_file"), "succeeded")

    replay = settled(forks.replay_run(run=run, actor=alice))

    assert (replay.status, replay.error_detail) == ("succeeded", "")
    kept, copy = Artifact.objects.get(run=run), Artifact.objects.get(run=replay)
    assert (copy.file.sha256, copy.version) == (kept.file.sha256, 2)


def steps_of(run: Run) -> list[tuple[Any, ...]]:
    found = Step.objects.filter(run=run).order_by("index")
    return [(s.index, s.kind, s.status, s.tool, s.request.get("text"), (s.result or {}).get("content")) for s in found]


def test_a_replay_of_a_steered_and_reviewed_run_hears_the_same_at_the_same_places(
    scripted: Play, start: Start, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engine.claimed_run.NEWS_S", 0.0)
    runtime = scripted([ONE], [say("Done.")], [TWO], [say("Now it is done.")], [say("In short: done.")])
    words = {2: "Two files, please.", 4: "And last year?"}

    def speak(_request: Any) -> Any:
        text = words.pop(len(runtime.calls), None)
        return sync_to_async(steer_run)(run=run, actor=alice, text=text) if text else None

    runtime.before_turn = speak
    run = start("write_file", review=True)
    settled(run, "needs_review")
    runtime.script = [*runtime.script, [say("Shorter.")]]
    answers.review_run(run=run, actor=alice, decision="revise", comment="Shorter!")
    settled(run, "needs_review")
    answers.review_run(run=run, actor=alice, decision="approve")
    made = len(runtime.calls)

    replay = settled(forks.replay_run(run=settled(run, "succeeded"), actor=alice))

    assert (replay.status, replay.output, len(runtime.calls)) == ("succeeded", run.output, made)
    assert steps_of(replay) == steps_of(run)
    assert [kind for _, kind, *_ in steps_of(run)].count("input") == 3
    said = RunEvent.objects.filter(run=replay, type="message", data__role="person").order_by("seq")
    assert [(data["text"], data["by"]) for data in said.values_list("data", flat=True)] == [
        ("Two files, please.", "Alice"),
        ("And last year?", "Alice"),
        ("Shorter!", "Alice"),
    ]


def test_a_replay_reuses_what_was_refused_edited_and_repeated_and_calls_nothing(
    scripted: Play, start: Start, tool: Any, alice: User
) -> None:
    made: list[Any] = []
    tool(lambda context, arguments: made.append(arguments) or ToolResult(content="sent", summary="Sent"))
    wrong, gone = call("write_file", "toolu_1", path="a.txt"), call("no_such_tool", "toolu_2")
    sent, same = call("probe", "toolu_3", to="everybody"), call("list_files", "toolu_4")
    scripted([wrong], [gone], [sent], *[[same]] * 5, [say("Done.")])
    run = settled(start("write_file", "probe", "list_files", policies={"probe": "ask"}), "waiting")
    asked = run.requests.get()
    edit = {"decision": "edit", "digest": asked.digest, "arguments": {"to": "alice"}}
    answers.answer_request(asked=asked, actor=alice, answer=edit)
    stuck = settled(run, "waiting").requests.get(kind="no_progress")
    answers.answer_request(asked=stuck, actor=alice, answer={"decision": "continue"})
    settled(run, "succeeded")

    replay = settled(forks.replay_run(run=run, actor=alice))

    assert (replay.status, replay.error_detail, made) == ("succeeded", "", [{"to": "alice"}])
    assert steps_of(replay) == steps_of(run)
    assert Step.objects.get(run=replay, tool="probe").request == {"to": "alice"}
    assert {"tool.started", "human.requested"}.isdisjoint(types(replay))


def test_a_replay_makes_no_call_whose_answer_was_never_recorded(
    scripted: Play, start: Start, tool: Any, alice: User
) -> None:
    made: list[Any] = []
    began, may_end = threading.Event(), threading.Event()

    def probe(context: Any, arguments: Any) -> ToolResult:
        made.append(arguments)
        began.set()
        may_end.wait(PATIENCE_S)
        return ToolResult(content="sent", summary="Sent")

    scripted([call(tool(probe))], [say("Done.")])
    run = start("probe")
    began.wait(PATIENCE_S)
    runs.cancel_run(run=Run.objects.get(pk=run.pk), actor=alice)
    may_end.set()

    replay = settled(forks.replay_run(run=settled(run, "cancelled"), actor=alice))

    assert (replay.status, replay.error_code, len(made)) == ("failed", "tool_error", 1)
    assert replay.error_detail == "The recording ends here: it has no answer to this call of probe."


@pytest.mark.parametrize(
    ("stop", "text", "error_code"),
    [
        (Stop.REFUSAL, "I cannot.", "model_refused"),
        (Stop.MAX_TOKENS, "And then", "model_error"),
        (Stop.CONTEXT_OVERFLOW, "And then", "model_error"),
        (Stop.PAUSE_TURN, "Just a moment.", "turn_limit"),
        (Stop.END_TURN, "", "bad_output"),
        (Stop.NO_RESULT, "I stopped.", "no_result"),
    ],
)
def test_a_run_that_stopped_without_an_answer_is_no_success_and_neither_is_its_replay(
    scripted: Play, start: Start, alice: User, stop: Stop, text: str, error_code: str
) -> None:
    scripted((stop, [say(text)]))
    run = settled(start(limits={"max_turns": 5}))

    replay = settled(forks.replay_run(run=run, actor=alice))

    assert [(one.status, one.error_code, one.output) for one in (run, replay)] == [("failed", error_code, None)] * 2
    assert steps_of(replay) == steps_of(run)


def test_a_fork_reuses_what_comes_after_a_call_that_was_refused(scripted: Play, start: Start, alice: User) -> None:
    wrong = call("write_file", "toolu_0", path="a.txt")
    scripted([wrong], [ONE], [say("Done.")])
    run = settled(start("write_file"), "succeeded")

    fork = settled(forks.fork_run(run=run, actor=alice), "succeeded")

    assert "tool.started" not in types(fork)
    assert Artifact.objects.get(run=fork).path == "a.txt"


@pytest.mark.promise("G20")
@pytest.mark.parametrize(("pinned", "present"), [("allow", "ask"), ("ask", "allow")])
def test_a_fork_asks_where_its_version_or_the_agent_of_today_does(
    scripted: Play, start: Start, alice: User, pinned: str, present: str
) -> None:
    scripted([say("Done.")])
    run = settled(start("write_file", policies={"write_file": pinned}), "succeeded")
    tools = [{"tool": "write_file", "policy": present}]
    agents.update_agent(agent=run.agent, actor=alice, changes={"tools": tools}, is_admin=True)
    scripted([ONE], [say("Done.")])

    fork = settled(forks.fork_run(run=run, actor=alice))

    assert (fork.version, fork.status, fork.waiting_kind) == (run.version, "waiting", "approval")
    assert "tool.started" not in types(fork)


@pytest.mark.promise("G20")
@pytest.mark.parametrize(
    ("pinned", "present", "hosts"),
    [
        ({"approvers": ["bob@example.com"]}, {"allowed_hosts": ["a.example"]}, ["a.example"]),
        ({"allowed_hosts": ["b.example"]}, {"four_eyes": True}, ["b.example"]),
        ({"four_eyes": True, "allowed_hosts": ["b.example"]}, {"allowed_hosts": ["a.example"]}, ["a.example"]),
        ({}, {"approvers": ["bob@example.com"]}, []),
    ],
)
def test_a_fork_keeps_to_the_approvers_and_hosts_of_today_too(
    scripted: Play,
    start: Start,
    tool: Any,
    alice: User,
    bob: User,
    pinned: dict[str, Any],
    present: dict[str, Any],
    hosts: list[str],
) -> None:
    reached: list[Any] = []
    tool(lambda context, arguments: reached.append(context.allowed_hosts) or ToolResult(content="ok", summary="Ok"))
    scripted([say("Done.")])
    run = settled(start("probe", policies={"probe": "ask"}), "succeeded")
    AgentVersion.objects.update(options=pinned)
    agents.update_agent(agent=run.agent, actor=alice, changes={"options": present}, is_admin=True)
    scripted([call("probe")], [say("Done.")])
    fork = settled(forks.fork_run(run=run, actor=alice), "waiting")
    asked = fork.requests.get()
    approve = {"decision": "approve", "digest": asked.digest}

    with pytest.raises(Forbidden):
        answers.answer_request(asked=asked, actor=alice, answer=approve)
    answers.answer_request(asked=asked, actor=bob, answer=approve)

    settled(fork, "succeeded")
    assert [list(allowed) for allowed in reached] == [hosts]


def test_a_fork_to_another_model_leaves_out_what_only_the_first_may_know(
    scripted: Play, done: Run, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.services.forks.models_of", lambda runtime: ["demo-1", "demo-2"])
    kept = {"max_tokens": 900, "service_tier": "auto"}
    AgentVersion.objects.update(options={"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}} | kept)
    runtime = scripted([say("Done.")])

    for model in ("demo-2", "demo-1"):
        settled(forks.fork_run(run=done, actor=alice, model=model, reuse_tools=False), "succeeded")

    other, own = runtime.calls
    assert (other.model, other.options, other.max_tokens) == ("demo-2", kept, 900)
    assert (own.model, own.options.keys() - kept.keys()) == ("demo-1", {"thinking", "output_config"})


@pytest.mark.promise("G20")
@pytest.mark.parametrize(
    ("pinned", "present", "words"),
    [
        (
            ["bob@example.com"],
            {"approvers": ["carol@example.com"]},
            "to bob@example.com, the version of today to carol@",
        ),
        (
            ["Alice@example.com"],
            {"approvers": ["alice@example.com"], "four_eyes": True},
            "Nobody in the team could approve",
        ),
        (["alice@example.com"], {"approvers": ["bob@example.com", "ALICE@example.com"]}, ""),
        (["alice@example.com"], {"approvers": []}, ""),
    ],
)
def test_a_fork_that_nobody_could_approve_is_refused(
    done: Run, alice: User, pinned: list[str], present: dict[str, Any], words: str
) -> None:
    AgentVersion.objects.update(options={"approvers": pinned}, tools=[{"tool": "write_file", "policy": "ask"}])
    done.agent.refresh_from_db()
    agents.update_agent(agent=done.agent, actor=alice, changes={"options": present}, is_admin=True)
    done.refresh_from_db()

    with pytest.raises(Conflict, match=words) if words else nullcontext():
        forks.fork_run(run=done, actor=alice)

    assert Run.objects.exclude(pk=done.pk).exists() is not bool(words)
    if words:
        settled(forks.replay_run(run=done, actor=alice), "succeeded")


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
    run = settled(start_run(team=team, actor=alice, task=task, variables={"month": "May"}), "succeeded")

    made = [forks.fork_run(run=run, actor=alice), forks.replay_run(run=run, actor=alice)]

    assert [(one.task, one.variables, one.prompt) for one in made] == [(task, {"month": "May"}, "Look at May.")] * 2
    entries = AuditEntry.objects.filter(subject_id__in=[str(one.pk) for one in made]).exclude(action="run.started")
    assert list(entries.order_by("pk").values_list("action", "actor")) == [
        ("run.forked", alice.pk),
        ("run.replayed", alice.pk),
    ]
    for one in made:
        settled(one, "succeeded")


def test_a_fork_or_a_replay_of_a_fork_has_the_files_of_the_steps_that_were_taken_over(
    scripted: Play, done: Run, alice: User
) -> None:
    scripted([ONE], [TWO], [say("Done.")])
    first = settled(forks.fork_run(run=done, actor=alice, from_seq=seq_of(done, "tool.finished")), "succeeded")

    second = settled(forks.fork_run(run=first, actor=alice, from_seq=seq_of(first, "tool.finished")), "succeeded")
    replay = settled(forks.replay_run(run=first, actor=alice), "succeeded")
    again = settled(forks.fork_run(run=first, actor=alice), "succeeded")
    scripted([say("Hello.")])
    afresh = settled(forks.fork_run(run=first, actor=alice, prompt="Just say hello."), "succeeded")

    files = [sorted(Artifact.objects.filter(run=one).values_list("path", flat=True)) for one in (second, replay, again)]
    assert files == [["a.txt", "b.txt"]] * 3
    assert "tool.started" not in types(again)
    assert steps_of(replay) == steps_of(first)
    assert Artifact.objects.filter(run=afresh).exists() is False
