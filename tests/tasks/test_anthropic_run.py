"""Runs with a stand-in for Claude. They have tools, thinking, faults, and a ledger that agrees with the provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from accounts.models import Team, User
from agents.runtimes.anthropic import AnthropicRuntime
from billing.models import UsageRecord
from tasks.models import Artifact, Run
from tasks.services import periodic
from tests.factories import AgentFactory, start_run
from tests.standins.anthropic import (
    AnthropicStandIn,
    Broken,
    Refused,
    endless,
    message,
    text,
    thinking,
    tool_use,
)  # fmt: skip
from tests.tasks.scripted import last, settled, types, until

pytestmark = pytest.mark.usefixtures("driver")
Start = Callable[..., Run]
SOON = {"retry-after-ms": "10"}
WRITE = tool_use("write_file", {"path": "report.md", "content": "# Zwölf"})


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn() as stand_in:
        runtime = AnthropicRuntime(api_key="key", base_url=stand_in.url, silence_s=10.0)
        monkeypatch.setattr("tasks.engine.claimed_run.get_runtime", lambda name: runtime)
        yield stand_in


@pytest.fixture
def begin(team: Team, alice: User) -> Start:
    """Function that starts a run of an agent whose model is Claude."""

    def start(*tools: str) -> Run:
        given = [{"tool": name, "policy": "allow"} for name in tools]
        agent = AgentFactory(team=team, version__tools=given, version__model="claude-sonnet-5-5")
        return start_run(team=team, actor=alice, agent=agent, prompt="Count the refunds.")

    return start


def ledger(run: Run, outcome: str) -> list[UsageRecord]:
    return list(UsageRecord.objects.filter(run_id=run.pk, outcome=outcome).order_by("at"))


@pytest.mark.promise("G6")
def test_tools_and_thinking_go_through_and_every_answer_is_charged_once(claude: AnthropicStandIn, begin: Start) -> None:
    usage = {"input_tokens": 1000, "cache_read_input_tokens": 2000, "output_tokens": 500}
    claude.answer(
        message(thinking("A report, then."), text("I write it."), WRITE, usage=usage),
        message(text("Twelve refunds."), usage=usage),
    )

    run = settled(begin("write_file"), "succeeded")

    assert run.output == "Twelve refunds."
    assert Artifact.objects.get(run=run).path == "report.md"
    assert claude.requests[1].body["messages"][1]["content"][0] == thinking("A report, then.")
    assert [record.provider_id for record in ledger(run, "charged")] == claude.finished
    assert {record.cost_usd for record in ledger(run, "charged")} == {Decimal("0.007200")}
    assert run.cost_usd == Decimal("0.014400")
    assert ledger(run, "unknown") == []


@pytest.mark.promise("G6")
@pytest.mark.usefixtures("short_waits")
def test_faults_are_tried_again_and_only_answers_are_paid(claude: AnthropicStandIn, begin: Start) -> None:
    half = message(text("Half of this arrives, and then"))
    claude.answer(
        Refused(status=529, type="overloaded_error", headers=SOON),
        Refused(status=429, type="rate_limit_error", headers=SOON),
        Broken(message=half, how="reset", after=5),
        Broken(message=half, how="error", after=5),
        message(text("Twelve refunds.")),
    )

    run = begin()
    until(lambda: periodic.resume_after_outages() or Run.objects.filter(pk=run.pk, status="succeeded").exists())

    run.refresh_from_db()
    assert run.output == "Twelve refunds."
    assert (claude.count, types(run).count("model.started"), types(run).count("error")) == (5, 5, 4)
    assert [record.provider_id for record in ledger(run, "charged")] == claude.finished
    assert len(ledger(run, "unknown")) == 2
    assert run.cost_usd == ledger(run, "charged")[0].cost_usd


@pytest.mark.promise("G23")
def test_an_answer_without_an_end_is_told_to_the_run_and_the_books(claude: AnthropicStandIn, begin: Start) -> None:
    claude.answer(endless("text"), message(text("Twelve refunds.")))

    run = settled(begin(), "succeeded", "failed", seconds=60)

    assert (run.status, run.output, claude.count) == ("succeeded", "Twelve refunds.", 2)
    told = last(run, "error")
    assert (told["code"], told["will_retry"]) == ("model_too_long", True)
    assert "more than its answer may hold" in told["detail"]
    assert [record.step_key for record in ledger(run, "unknown")] == [f"{run.pk}:1:1"]
    assert [record.step_key for record in ledger(run, "charged")] == [f"{run.pk}:1:2"]
    assert run.cost_usd == ledger(run, "charged")[0].cost_usd


def test_what_cannot_be_tried_again_ends_the_run_with_the_reason(claude: AnthropicStandIn, begin: Start) -> None:
    claude.answer(Refused(status=401, type="authentication_error", words="invalid x-api-key"))

    run = settled(begin(), "failed")

    assert run.error_code == "model_error"
    assert "refused our key" in run.error_detail
    assert claude.count == 1
    assert UsageRecord.objects.count() == 0


def test_a_refusal_is_told_in_its_words(claude: AnthropicStandIn, begin: Start) -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "This is about pathogens."}
    claude.answer(message(text("I cannot"), stop="refusal", stop_details=details))

    run = settled(begin(), "failed")

    assert run.error_code == "model_refused"
    assert "This is about pathogens." in run.error_detail
    assert len(ledger(run, "charged")) == 1


def test_an_answer_that_was_cut_off_is_continued(claude: AnthropicStandIn, begin: Start) -> None:
    cut = tool_use("write_file") | {"partial": '{"path": "rep'}
    claude.answer(message(text("First half,"), cut, stop="max_tokens"), message(text("second half.")))

    run = settled(begin("write_file"), "succeeded")

    assert claude.requests[1].body["messages"][1]["content"] == [text("First half,")]
    assert last(run, "message")["text"] == "second half."


def test_a_paused_turn_is_continued(claude: AnthropicStandIn, begin: Start) -> None:
    claude.answer(message(text("Searching"), stop="pause_turn"), message(text("Found.")))

    run = settled(begin(), "succeeded")

    assert claude.requests[1].body["messages"][-1]["role"] == "assistant"
    assert run.output.endswith("Found.")
