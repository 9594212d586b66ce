"""Intake of model output: the same value is shown, hashed, stored, executed and sent back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Team, User
from agents.runtimes.anthropic import AnthropicRuntime
from billing.models import UsageRecord
from tasks import events
from tasks.call_digest import digest
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import Commit, RequestWrite, StepWrite
from tasks.engine.encoding import encode
from tasks.engine.intake import INVALID, take_in
from tasks.models import Artifact, HumanRequest, Run, Step
from tasks.services import answers
from tasks.services.forks import replay_run
from tasks.services.runs import start_now
from tests.accounts.test_strict_json import TEXTS, VALUES
from tests.factories import AgentFactory, start_run
from tests.standins.anthropic import AnthropicStandIn, message, text, tool_use
from tests.tasks.scripted import Scripted, call, last, say, settled, types
from tools.spec import ToolResult

Play = Callable[..., Scripted]
Start = Callable[..., Run]
Begin = Callable[..., Run]


def in_an_hour() -> datetime:
    return timezone.now() + timedelta(hours=1)


RUN = UUID("01980000-0000-7000-8000-000000000001")


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn() as stand_in:
        runtime = AnthropicRuntime(api_key="key", base_url=stand_in.url, silence_s=10.0)
        monkeypatch.setattr("tasks.engine.claimed_run.get_runtime", lambda name: runtime)
        yield stand_in


@pytest.fixture
def begin(driver: Any, team: Team, alice: User) -> Begin:
    """Function that starts a run of an agent whose model is Claude."""

    def start(*tools: str, policy: str = "allow", **options: Any) -> Run:
        given = [{"tool": name, "policy": policy} for name in tools]
        agent = AgentFactory(team=team, version__tools=given, version__model="claude-sonnet-5-5")
        return start_run(team=team, actor=alice, agent=agent, prompt="Count the refunds.", **options)

    return start


def results_sent(claude: AnthropicStandIn, turn: int) -> list[dict[str, Any]]:
    """Return the tool results in the last message of that request."""
    content = claude.requests[turn].body["messages"][-1]["content"]
    return [block for block in content if block["type"] == "tool_result"]


def outcomes(run: Run) -> list[str]:
    return list(UsageRecord.objects.filter(run_id=run.pk).order_by("at").values_list("outcome", flat=True))


# ---- Values that can be normalised


@pytest.mark.promise("G21")
@pytest.mark.parametrize(
    ("written", "content"),
    [
        (r'{"path": "a.txt", "content": "a\u0000b"}', "a\ufffdb"),
        (r'{"path": "a.txt", "content": "half \ud83d!"}', "half \ufffd!"),
        (r'{"path": "a.txt", "content": "whole \ud83d\ude42"}', "whole 🙂"),
    ],
)
def test_an_approved_call_is_made_whatever_the_model_sent(
    claude: AnthropicStandIn, begin: Begin, alice: User, written: str, content: str
) -> None:
    claude.answer(message(tool_use("write_file", written=written)), message(text("Done.")))
    run = settled(begin("write_file", policy="ask"), "waiting", "failed")
    asked = HumanRequest.objects.get(run=run, status="open")
    assert asked.arguments == {"path": "a.txt", "content": content}

    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})

    settled(run, "succeeded")
    assert last(run, "tool.started")["arguments"] == asked.arguments
    assert last(run, "tool.finished")["is_error"] is False
    assert Artifact.objects.get(run=run).file.size == len(content.encode())


@pytest.mark.promise("G21")
def test_numbers_that_postgres_stores_otherwise_void_no_approval(
    driver: Any, scripted: Play, start: Start, tool: Any, alice: User
) -> None:
    seen: list[Any] = []

    def probe(context: Any, arguments: Any) -> ToolResult:
        seen.append(arguments)
        return ToolResult(content="Done.", summary="Done")

    odd = {"zero": -0.0, "large": 1e300, "whole": 1e16, "small": 5e-324, "many": [1.0, 2**70]}
    scripted([call(tool(probe), **odd)], [say("Done.")])
    run = settled(start("probe", policies={"probe": "ask"}), "waiting")
    asked = HumanRequest.objects.get(run=run, status="open")

    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})

    settled(run, "succeeded")
    assert seen == [odd | {"large": 10**300}]
    assert digest("probe", seen[0]) == asked.digest


@pytest.mark.promise("G21")
def test_half_a_character_goes_back_to_the_provider_as_it_is_kept(claude: AnthropicStandIn, begin: Begin) -> None:
    written = r'{"path": "a.txt", "content": "half \ud83d"}'
    claude.answer(message(text("Half \ud83d"), tool_use("write_file", written=written)), message(text("Done \udc00.")))

    run = settled(begin("write_file"), "succeeded", "failed")

    assert (run.status, run.output) == ("succeeded", "Done \ufffd.")
    assert claude.count == 2
    assert "error" not in types(run)
    assert outcomes(run) == ["charged", "charged"]
    sent = claude.requests[1].body["messages"][1]["content"]
    assert sent == Step.objects.get(run=run, index=1).result["content"]
    assert (sent[0]["text"], sent[1]["input"]["content"]) == ("Half \ufffd", "half \ufffd")


# ---- Values that cannot be normalised, which the model is told


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"path": "a.txt", "limit": NaN}', "NaN is not a number in JSON."),
        ('{"path": "a.txt", "limit": 1e999}', "The number 1e999 is too large."),
        ('{"path": "a.txt", "limit": ' + "9" * 400 + "}", "A number is too large."),
        ('{"path": "a.txt", "deep": ' + "[" * 20_000 + "]" * 20_000 + "}", "It is nested more than 60 levels deep."),
        ('{"path": "a.txt", ', "It is not JSON"),
        ('["a.txt"]', "They are not a JSON object."),
        ('"a.txt"', "They are not a JSON object."),
    ],
)
@pytest.mark.parametrize("policy", ["allow", "ask"])
def test_arguments_that_cannot_be_read_are_told_to_the_model(
    claude: AnthropicStandIn, begin: Begin, written: str, why: str, policy: str
) -> None:
    claude.answer(message(text("I write."), tool_use("write_file", written=written)), message(text("Then not.")))

    run = settled(begin("write_file", policy=policy), "succeeded", "failed", "waiting")

    assert (run.status, run.output) == ("succeeded", "Then not.")
    [told] = results_sent(claude, 1)
    assert told["is_error"] is True
    assert why in told["content"]
    assert "The arguments of write_file could not be read, so nothing was done." in told["content"]
    assert outcomes(run) == ["charged", "charged"]
    assert not {"tool.started", "tool.requested", "error"} & set(types(run))
    assert not Artifact.objects.exists()
    back = claude.requests[1].body["messages"][1]["content"][1]["input"]
    assert list(back) == [INVALID]
    assert written.startswith(back[INVALID])


def test_a_replay_of_such_a_call_is_the_same(claude: AnthropicStandIn, begin: Begin, alice: User) -> None:
    claude.answer(message(tool_use("write_file", written='{"limit": NaN}')), message(text("Then not.")))
    run = settled(begin("write_file"), "succeeded")

    again = settled(replay_run(run=run, actor=alice), "succeeded", "failed")

    def steps(of: Run) -> list[Any]:
        return list(of.steps.order_by("index").values_list("kind", "status", "call_id", "request"))

    assert (again.status, again.output) == ("succeeded", "Then not.")
    assert [row[1:] for row in steps(again)[1:2]] == [row[1:] for row in steps(run)[1:2]]
    assert claude.count == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('{"v": NaN}', "NaN is not a number in JSON."),
        ('```json\n{"v": 1e999}\n```', "The number 1e999 is too large."),
        ('{"v": ' + "[" * 5000 + "]" * 5000 + "}", "It is nested more than 60 levels deep."),
    ],
)
def test_a_final_answer_that_cannot_be_kept_is_asked_for_again(
    driver: Any, scripted: Play, start: Start, said: str, why: str
) -> None:
    runtime = scripted([say(said)], [say(r'{"v": [-0.0, 1e300, "\u0000"]}')])

    run = settled(start(output_schema={"type": "object", "required": ["v"]}), "succeeded", "failed")

    assert (run.status, run.error_code) == ("succeeded", "")
    assert json.dumps(run.output) == json.dumps({"v": [0.0, 10**300, "\ufffd"]})
    assert why in runtime.calls[1].messages[-1]["content"][0]["text"]
    assert len(runtime.calls) == 2


# ---- The JSON of an answer is found wherever it stands

OBJECT = {"type": "object", "properties": {"v": {"type": "string"}}, "required": ["v"]}


@pytest.mark.parametrize(
    "said",
    [
        '{"v": "x"}',
        'Here it is:\n```json\n{"v": "x"}\n```\nAnything else?',
        'Run this:\n```sh\nls -l\n```\nThen:\n```json\n{"v": "x"}\n```',
        'First I thought\n```json\n{"w": 1}\n```\nbut it is\n```JSON\n{"v": "x"}```',
        '```\n{"v": "x"}\n```\n```sh\nls\n```',
        '~~~json\n{"v": "x"}\n~~~',
        '```json\n{"v": "x"}',
    ],
)
def test_the_json_of_an_answer_is_found(driver: Any, scripted: Play, start: Start, said: str) -> None:
    runtime = scripted([say(said)])

    run = settled(start(output_schema=OBJECT), "succeeded", "failed")

    assert (run.status, run.output) == ("succeeded", {"v": "x"})
    assert len(runtime.calls) == 1


def test_the_model_reads_the_schema_of_its_output_as_json(driver: Any, scripted: Play, start: Start) -> None:
    schema = {"type": "object", "properties": {"größe": {"type": ["number", "null"], "default": None}}}
    runtime = scripted([say("{}")])

    settled(start(output_schema=schema), "succeeded", "failed")

    lines = runtime.calls[0].system.splitlines()
    given = lines[lines.index("Your final answer must be only JSON that fits this JSON Schema:") + 1]
    assert json.loads(given) == schema
    assert "größe" in given


def test_backticks_inside_a_text_of_the_json_end_nothing(driver: Any, scripted: Play, start: Start) -> None:
    value = {"v": "Use\n```sh\nls\n```\nand ``` again"}
    scripted([say(f"Here:\n```json\n{json.dumps(value, indent=2)}\n```\nDone.")])

    assert settled(start(output_schema=OBJECT), "succeeded", "failed").output == value


# ---- Ids and names


def test_two_calls_with_one_id_are_both_carried_out(claude: AnthropicStandIn, begin: Begin) -> None:
    twice = [tool_use("write_file", {"path": f"{n}.txt", "content": "x"}, id="toolu_same") for n in "ab"]
    claude.answer(message(*twice), message(text("Done.")))

    run = settled(begin("write_file"), "succeeded", "failed")

    assert (run.status, claude.count) == ("succeeded", 2)
    assert sorted(Artifact.objects.filter(run=run).values_list("path", flat=True)) == ["a.txt", "b.txt"]
    sent = claude.requests[1].body["messages"]
    ids = [block["id"] for block in sent[1]["content"]]
    assert ids == ["toolu_same", "call_1_2"]
    assert [block["tool_use_id"] for block in results_sent(claude, 1)] == ids
    assert Step.objects.get(run=run, index=1).result["provider_ids"] == {"call_1_2": "toolu_same"}
    assert "error" not in types(run)


def test_a_run_of_before_whose_second_call_was_dropped_goes_on_and_is_replayed(
    driver: Any, scripted: Play, team: Team, alice: User
) -> None:
    """Resume a run whose rows hold two calls with one id and one result. The provider would refuse that pair."""
    run = start_run(team=team, actor=alice, agent=AgentFactory(team=team), prompt="Count.", start_at=in_an_hour())
    twice = [call("write_file", "toolu_1", path=f"{n}.txt", content="x") for n in "ab"]
    answered = {"content": twice, "stop": "tool_use", "message_id": "msg_1", "cost_usd": "0.010000"}
    Step.objects.create(run=run, index=1, kind="model", status="done", result=answered, request={"model": "m"})
    written = {"content": "Wrote a.txt.", "is_error": False, "summary": "Wrote a.txt"}
    about = {"call_id": "toolu_1", "tool": "write_file", "request": twice[0]["input"]}
    Step.objects.create(run=run, index=2, kind="tool", status="done", result=written, **about)
    runtime = scripted([say("Done.")], [say("Done.")])
    start_now(run=run, actor=alice)

    run = settled(run, "succeeded", "failed")
    again = settled(replay_run(run=run, actor=alice), "succeeded", "failed")

    assert (run.status, again.status, again.error_detail) == ("succeeded", "succeeded", "")
    assert [block["id"] for block in runtime.calls[0].messages[1]["content"]] == ["toolu_1"]
    assert again.steps.filter(kind="tool").count() == 1


@pytest.mark.parametrize("bad", ["toolu_" + "x" * 200, "toolu 1", "tööl", "", None, 7, ["toolu_1"], "a\0b"])
def test_an_id_that_cannot_identify_a_call_is_replaced(driver: Any, scripted: Play, start: Start, bad: Any) -> None:
    block = {"type": "tool_use", "id": bad, "name": "write_file", "input": {"path": "a.txt", "content": "x"}}
    runtime = scripted([block], [say("Done.")])

    run = settled(start("write_file"), "succeeded", "failed")

    assert run.status == "succeeded"
    assert Artifact.objects.get(run=run).path == "a.txt"
    assert Step.objects.get(run=run, kind="tool").call_id == "call_1_1"
    assert runtime.calls[1].messages[-1]["content"][0]["tool_use_id"] == "call_1_1"


def test_an_id_that_is_used_again_in_a_later_turn_is_replaced(driver: Any, scripted: Play, start: Start) -> None:
    again = [call("write_file", "toolu_1", path=f"{n}.txt", content="x") for n in "abc"]
    scripted(*([block] for block in again), [say("Done.")])

    run = settled(start("write_file"), "succeeded", "failed")

    calls = Step.objects.filter(run=run, kind="tool").order_by("index").values_list("call_id", "request__path")
    assert list(calls) == [("toolu_1", "a.txt"), ("call_3_1", "b.txt"), ("call_5_1", "c.txt")]


@pytest.mark.promise("G23")
@pytest.mark.parametrize("name", ["t" * 500, "write file", "write.file", "", None, "a\0b", "write_file\n"])
def test_a_tool_name_is_bounded_in_what_goes_back(claude: AnthropicStandIn, begin: Begin, name: Any) -> None:
    arguments = {"path": "a.txt", "content": "x"}
    claude.answer(message(tool_use(name, arguments)), message(text("Then without.")))

    run = settled(begin("write_file"), "succeeded", "failed")

    assert (run.status, claude.count) == ("succeeded", 2)
    back = claude.requests[1].body["messages"][1]["content"][0]
    assert 1 <= len(back["name"]) <= 64
    assert "There is no tool named" in results_sent(claude, 1)[0]["content"]
    assert not Artifact.objects.exists()
    assert len(Step.objects.get(run=run, kind="tool").tool) <= 64


# ---- Memory and row are equal by construction

BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": TEXTS, "name": TEXTS, "input": st.one_of(VALUES, TEXTS)},
        optional={"caller": VALUES},
    ),
)


def through_postgres(shape: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [shape])
        return json.loads(cursor.fetchone()[0])


@pytest.mark.promise("G21")
@pytest.mark.django_db
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(content=st.lists(BLOCKS, max_size=4), told=TEXTS, payload=st.dictionaries(TEXTS, VALUES, max_size=3))
def test_what_is_in_memory_is_what_is_in_the_row(content: list[Any], told: str, payload: dict[str, Any]) -> None:
    taken = take_in(content, step=1, taken={"call_1_1"})
    result = {"content": taken.content, **taken.notes()}
    run = ClaimedRun.__new__(ClaimedRun)
    run.steps, run.pending = {}, _Gathered()
    answer = StepWrite(index=1, kind="model", status="done", result=result)
    tool = StepWrite(index=2, kind="tool", status="done", request=payload, result={"content": told, "data": payload})
    run.write_step(answer)
    run.write_step(tool)
    event = events.ToolFinished(
        step=2, call_id="c", tool="t", summary=told, is_error=False, duration_s=0.0, preview=told, payload=payload
    )
    arguments = tool.request
    asked = RequestWrite(id=RUN, kind="approval", title=told, arguments=arguments, digest=digest("t", arguments))
    commit = Commit(
        run_id=RUN, epoch=1, commit_no=1, steps=run.steps, events=[event], requests=[asked], output=tool.request
    )

    row = through_postgres(encode(commit))

    steps = {step["index"]: step for step in row["steps"]}
    assert digest("", steps[1]["result"]) == digest("", answer.result)
    assert digest("", steps[2]["request"]) == digest("", tool.request)
    assert digest("", steps[2]["result"]) == digest("", tool.result)
    assert digest("t", row["requests"][0]["arguments"]) == row["requests"][0]["digest"] == asked.digest
    assert digest("", row["output"]) == digest("", tool.request)
    assert row["events"][0]["data"]["tool"] == "t"
    ids = [block["id"] for block in taken.content if block["type"] == "tool_use"]
    assert len({*ids, "call_1_1"}) == len(ids) + 1


class _Gathered:
    def __init__(self) -> None:
        self.steps: dict[int, StepWrite] = {}
