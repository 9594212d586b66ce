"""Tools of a run: a team's own, and ones that change or go while it is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from accounts.errors import Conflict
from accounts.models import Team, User
from tasks.models import HumanRequest, Run, RunEvent, Step
from tasks.services import answers
from tasks.services.effects import effects_of
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types
from tests.timeouts import PATIENCE_S
from tools import catalog
from tools.hooks import team_tools
from tools.spec import Effect, ToolContext, ToolResult, ToolSpec, schema_hash

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]
Lose = Callable[..., tuple[Run, list[str]]]
OK = ToolResult(content="ok", summary="Probed")


def ring(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    return ToolResult(content=f"Rang for {context.team_id}.", summary="Rang")


RING = replace(
    catalog.builtin("list_files"),
    name="ring",
    title="Ring the bell",
    input_schema={"type": "object", "additionalProperties": False},
    uses_workspace=False,
    run=ring,
)


@pytest.fixture
def source(team: Team) -> Iterator[list[str]]:
    """Source with one tool of the team, which is away the first time. Yields the threads that asked it."""
    asked_on: list[str] = []

    @team_tools.register
    def own(*, team_id: UUID, names: Collection[str] | None) -> Iterable[ToolSpec]:
        asked_on.append(threading.current_thread().name)
        if len(asked_on) == 1:
            raise OperationalError("the database is away")
        return [RING] if team_id == team.pk else []

    yield asked_on
    team_tools.unregister(own)


def test_a_run_uses_a_tool_of_its_team_looked_up_off_the_loop(
    scripted: Play, start: Start, team: Team, source: list[str]
) -> None:
    runtime = scripted([call("ring")], [say("Done.")])

    with engine():
        run = start("ring", "list_files")
        settled(run, "succeeded")

    assert [tool.name for tool in runtime.calls[0].tools] == ["ring", "list_files"]
    assert last(run, "tool.finished")["preview"] == f"Rang for {team.pk}."
    assert len(source) == 2
    assert all(name.startswith("files") for name in source)


def test_a_run_with_builtin_tools_asks_no_source(scripted: Play, start: Start, source: list[str]) -> None:
    scripted([call("list_files")], [say("Done.")])

    with engine():
        settled(start("list_files"), "succeeded")

    assert source == []


# ---- A tool that goes or changes while a run is under way


def remove(name: str) -> None:
    """Take the tool out of the catalog. The fixture `tool` puts the catalog right again."""
    catalog.BUILTIN = tuple(known for known in catalog.BUILTIN if known != name)
    del catalog._added[name]


@pytest.fixture
def lose_call(scripted: Play, start: Start, tool: Make, settings: Any) -> Iterator[Lose]:
    """Make a call of a new tool and stop its worker in the middle: `lose_call(effect=…)` returns (run, calls)."""
    release = threading.Event()

    def lose(**spec: Any) -> tuple[Run, list[str]]:
        settings.ENGINE = settings.ENGINE | {"drain_s": 0.0}
        calls: list[str] = []
        is_in = threading.Event()

        def probe(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
            calls.append(context.idempotency_key)
            is_in.set()
            release.wait(PATIENCE_S)
            return OK

        name = tool(probe, headline=lambda given: f"Ring {given['where']}", **spec)
        scripted([call(name, where="the lobby")], [say("Done.")])
        run = start(name)
        with engine():
            assert is_in.wait(PATIENCE_S)
        return run, calls

    yield lose
    release.set()


@pytest.mark.promise("G5")
@pytest.mark.parametrize("is_old", [False, True], ids=["recorded", "row of an older version"])
@pytest.mark.parametrize(
    ("decision", "told"),
    [
        ("happened", "The answer of this call was lost. alice@example.com checked and says that it did happen."),
        ("skip", "The answer of this call was lost. alice@example.com decided not to make it again."),
        ("retry", "The tool 'probe' does not exist any more, so the call was not made. Go on without it, or say so."),
    ],
)
def test_a_lost_call_of_a_tool_that_is_gone_asks_whether_it_happened(
    lose_call: Lose, alice: User, is_old: bool, decision: str, told: str
) -> None:
    run, calls = lose_call()
    remove("probe")
    if is_old:
        Step.objects.filter(run=run).update(spec=None)

    with engine():
        settled(run, "waiting")
        asked = HumanRequest.objects.get(run=run)
        answers.answer_request(asked=asked, actor=alice, answer={"decision": decision})
        settled(run, "succeeded")

    assert asked.kind == "unknown_effect"
    assert asked.title == f"Did this happen? {'probe' if is_old else 'Ring the lobby'}"
    assert asked.arguments == {"where": "the lobby"}
    assert Step.objects.get(run=run, kind="tool").result["content"] == told
    assert len(calls) == 1


@pytest.mark.promise("G5")
def test_a_lost_call_is_settled_by_the_spec_that_it_was_made_with(
    lose_call: Lose,
) -> None:
    run, calls = lose_call(effect=Effect.EFFECTFUL)
    catalog.add(replace(catalog.builtin("probe"), effect=Effect.READ_ONLY))

    with engine():
        settled(run, "waiting")

    assert run.waiting_kind == "unknown_effect"
    assert len(calls) == 1


@pytest.mark.promise("G5")
def test_a_lost_call_that_was_safe_to_repeat_is_not_asked_about_when_its_tool_is_gone(
    lose_call: Lose,
) -> None:
    run, calls = lose_call(effect=Effect.READ_ONLY)
    remove("probe")

    with engine():
        settled(run, "succeeded")

    assert not HumanRequest.objects.exists()
    assert len(calls) == 1
    step = Step.objects.get(run=run, kind="tool")
    assert (step.status, step.result["summary"]) == (
        "failed",
        "The tool 'probe' does not exist any more, so the call was not made. Go on without it, or say so.",
    )


def test_a_tool_that_goes_before_its_call_is_an_error_that_the_model_reads(
    scripted: Play, start: Start, tool: Make
) -> None:
    calls: list[str] = []

    def probe(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        calls.append(context.run_id)
        return OK

    name = tool(probe)
    runtime = scripted([call(name)], [say("Done.")], before_turn=lambda request: _remove_once(name))
    with engine():
        run = settled(start(name), "succeeded")

    assert calls == []
    assert "tool.started" not in types(run)
    [result] = runtime.calls[1].messages[-1]["content"]
    assert result["is_error"] is True
    assert result["content"] == (
        "The tool 'probe' does not exist any more, so the call was not made. Go on without it, or say so."
    )
    assert runtime.calls[1].tools == []


def _remove_once(name: str) -> None:
    if name in catalog.BUILTIN:
        remove(name)


@pytest.mark.promise("G13")
def test_an_approval_of_a_call_whose_tool_is_gone_makes_no_call(
    scripted: Play, start: Start, tool: Make, alice: User, as_alice: Client, team: Team
) -> None:
    calls: list[str] = []

    def probe(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        calls.append(context.run_id)
        return OK

    name = tool(probe)
    scripted([call(name, where="the lobby")], [say("Done.")])
    run = start(name, policies={name: "ask"})
    with engine():
        settled(run, "waiting")
    remove(name)
    asked = HumanRequest.objects.get(run=run)

    page = as_alice.get(reverse("tasks:run_detail", kwargs={"team": team.slug, "run_id": run.pk}))
    edit = {"decision": "edit", "digest": asked.digest, "arguments": {"where": "the roof"}}
    with pytest.raises(Conflict, match=r"The tool of this call is gone\. The call can only be refused\."):
        answers.answer_request(asked=asked, actor=alice, answer=edit)
    asked.refresh_from_db()
    was = asked.status
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})
    with engine():
        settled(run, "succeeded")

    assert (page.status_code, was, calls) == (200, "open", [])
    assert Step.objects.get(run=run, kind="tool").result["is_error"] is True
    assert "tool.started" not in types(run)


# ---- What a step keeps


def test_a_step_keeps_the_spec_of_its_call(scripted: Play, start: Start, tool: Make) -> None:
    name = tool(lambda context, arguments: OK, headline=lambda given: f"Ring {given['where']}", icon="bell")
    spec = catalog.builtin(name)
    scripted([call(name, where="the lobby"), call("nothing", "c2")], [say("Done.")])

    with engine():
        run = settled(start(name), "succeeded")

    known, unknown = Step.objects.filter(run=run, kind="tool").order_by("index")
    assert known.spec == {
        "name": "probe",
        "title": "Probe",
        "icon": "bell",
        "effect": "effectful",
        "timeout_s": spec.timeout_s,
        "schema_hash": schema_hash(spec),
        "headline": "Ring the lobby",
    }
    assert unknown.spec is None
    assert last(run, "tool.started")["icon"] == "bell"


def test_the_intent_has_the_spec_before_the_call(scripted: Play, start: Start, tool: Make) -> None:
    seen: list[Any] = []

    def probe(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        seen.append(Step.objects.filter(run_id=context.run_id, kind="tool").values_list("status", "spec__title").get())
        return OK

    name = tool(probe)
    scripted([call(name)], [say("Done.")])
    with engine():
        settled(start(name), "succeeded")

    assert seen == [("intent", "Probe")]


@pytest.mark.parametrize("is_old", [False, True], ids=["recorded", "row of an older version"])
def test_a_finished_run_shows_what_a_tool_that_is_gone_did(
    scripted: Play, start: Start, tool: Make, as_alice: Client, team: Team, is_old: bool
) -> None:
    name = tool(lambda context, arguments: OK, headline=lambda given: f"Ring {given['where']}", icon="mail")
    scripted([call(name, where="the lobby")], [say("Done.")])
    with engine():
        run = settled(start(name), "succeeded")
    remove(name)
    if is_old:
        Step.objects.filter(run=run).update(spec=None)
        for event in RunEvent.objects.filter(run=run, type__in=["tool.started", "tool.finished"]):
            del event.data["icon"]
            event.save()

    place = {"team": team.slug, "run_id": run.pk}
    page = as_alice.get(reverse("tasks:run_detail", kwargs=place))
    bundle = as_alice.get(reverse("tasks:run_bundle", kwargs=place))
    [effect] = effects_of([run])[run.pk]

    assert (page.status_code, bundle.status_code) == (200, 200)
    assert "Ring the lobby" in page.content.decode()
    assert ("#i-wrench" if is_old else "#i-mail") in page.content.decode()
    assert (effect.title, effect.headline) == (("probe", "probe") if is_old else ("Probe", "Ring the lobby"))


def test_a_read_only_call_of_a_tool_that_is_gone_is_no_effect(scripted: Play, start: Start, tool: Make) -> None:
    name = tool(lambda context, arguments: OK, effect=Effect.READ_ONLY)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name), "succeeded")
    remove(name)

    assert effects_of([run]) == {run.pk: []}
