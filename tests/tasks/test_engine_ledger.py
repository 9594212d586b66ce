"""Agreement of run, receipt, ledger and budget, whatever ids and counts a provider or gateway sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from accounts.models import Team, User
from agents.runtimes.anthropic import AnthropicRuntime
from billing.models import Budget, Reservation, UsageRecord
from billing.reports import month_start, standings
from tasks.api.receipts import receipt_of
from tasks.models import Run, Step
from tasks.reports.receipt import receipt
from tests.factories import AgentFactory, start_run
from tests.standins.anthropic import AnthropicStandIn, Message, message, text, tool_use
from tests.tasks.scripted import last, settled, types

pytestmark = [pytest.mark.usefixtures("driver"), pytest.mark.promise("G22")]
Begin = Callable[..., Run]
COUNTED = {"input_tokens": 100_000, "output_tokens": 100_000}
"""Usage that costs $1.20 at $2 and $10 for a million tokens."""


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn() as stand_in:
        runtime = AnthropicRuntime(api_key="key", base_url=stand_in.url, silence_s=10.0)
        monkeypatch.setattr("tasks.engine.claimed_run.get_runtime", lambda name: runtime)
        yield stand_in


@pytest.fixture
def budget(team: Team) -> Budget:
    return Budget.objects.create(team=team, limit_usd=Decimal(100), period=month_start().date())


@pytest.fixture
def begin(team: Team, alice: User, budget: Budget) -> Begin:
    def start() -> Run:
        tools = [{"tool": "list_files", "policy": "allow"}]
        version = {"version__tools": tools, "version__model": "claude-sonnet-5-5", "version__max_cost_usd": Decimal(50)}
        return start_run(team=team, actor=alice, agent=AgentFactory(team=team, **version), prompt="Count the refunds.")

    return start


def agreed(budget: Budget, *runs: Run) -> list[Decimal]:
    """Return the cost of each run, after checking that run, receipt, ledger, events and budget agree."""
    costs = []
    for run in runs:
        run.refresh_from_db()
        lines = UsageRecord.objects.filter(run_id=run.pk, outcome="charged")
        told = lines.aggregate(usd=Sum("cost_usd"), i=Sum("input_tokens"), o=Sum("output_tokens"))
        assert run.cost_usd == told["usd"] == receipt(run).total_usd == receipt_of(run)["total_usd"]
        assert (run.input_tokens, run.output_tokens) == (told["i"], told["o"])
        assert last(run, "run.finished")["cost_usd"] == f"{run.cost_usd:.6f}"
        assert lines.count() == types(run).count("model.finished")
        costs.append(run.cost_usd)
    budget.refresh_from_db()
    assert budget.spent_usd == sum(costs) == standings(budget.team)[0].spent_usd
    assert (budget.reserved_usd, Reservation.objects.count()) == (Decimal(0), 0)
    return costs


def twice(**more: Any) -> list[Message]:
    """Return two responses with one message id: a call, and the end."""
    same = {"message_id": "msg_same", "usage": COUNTED, **more}
    return [message(tool_use("list_files"), **same), message(text("Twelve."), **same)]


def test_a_message_id_that_is_used_twice_is_charged_twice(
    claude: AnthropicStandIn, begin: Begin, budget: Budget
) -> None:
    claude.answer(*twice(), *twice())

    first = settled(begin(), "succeeded", "failed")
    second = settled(begin(), "succeeded", "failed")

    assert agreed(budget, first, second) == [Decimal("2.400000"), Decimal("2.400000")]
    lines = UsageRecord.objects.order_by("pk").values_list("key", "provider_id", "is_estimate")
    assert list(lines) == [(f"{run.pk}:{n}:1", "msg_same", False) for run in (first, second) for n in (1, 3)]
    assert Step.objects.get(run=first, index=1).result["message_id"] == "msg_same"


@pytest.mark.parametrize("message_id", ["", None, 7, "m" * 5000, "a\0b", "unknown:x"])
def test_an_id_is_only_kept_for_reference(
    claude: AnthropicStandIn, begin: Begin, budget: Budget, message_id: Any
) -> None:
    claude.answer(message(text("Twelve."), message_id=message_id, usage=COUNTED))

    run = settled(begin(), "succeeded", "failed")

    assert (run.status, agreed(budget, run)) == ("succeeded", [Decimal("1.200000")])
    line = UsageRecord.objects.get()
    assert line.key == f"{run.pk}:1:1"
    wanted = message_id.replace("\0", "\ufffd")[:120] if isinstance(message_id, str) else ""
    assert line.provider_id == wanted


RESERVED = Decimal("0.085")
UNUSABLE = {"input_tokens": 10**18, "output_tokens": 10**30}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"input_tokens": None, "output_tokens": None},
        {"input_tokens": 0, "output_tokens": 0},
        {"input_tokens": -5, "output_tokens": -5},
        {"input_tokens": "many", "output_tokens": [], "cache_creation": 7},
        {"input_tokens": True, "output_tokens": {}},
        UNUSABLE,
    ],
)
def test_an_answer_without_a_count_costs_an_estimate(
    claude: AnthropicStandIn, begin: Begin, budget: Budget, usage: Any
) -> None:
    claude.answer(message(text("Twelve refunds."), usage=usage))

    run = settled(begin(), "succeeded", "failed")

    assert run.status == "succeeded"
    [cost] = agreed(budget, run)
    line = UsageRecord.objects.get()
    assert Decimal("0.001") < cost < RESERVED
    assert (line.outcome, line.is_estimate, line.cost_usd) == ("charged", True, cost)
    assert line.input_tokens > 300
    assert 4 <= line.output_tokens <= 60
    assert last(run, "model.finished")["is_estimate"] is True
    assert receipt(run).lines[0].is_estimate is True


def test_what_is_counted_in_part_is_estimated_in_the_rest(
    claude: AnthropicStandIn, begin: Begin, budget: Budget
) -> None:
    claude.answer(message(text("word " * 200), usage={"input_tokens": 1234, "output_tokens": None}))

    run = settled(begin(), "succeeded", "failed")

    agreed(budget, run)
    line = UsageRecord.objects.get()
    assert (line.input_tokens, line.is_estimate) == (1234, True)
    assert 200 <= line.output_tokens <= 1000


def test_a_full_count_is_no_estimate(claude: AnthropicStandIn, begin: Begin, budget: Budget) -> None:
    claude.answer(message(text("Twelve."), usage={"input_tokens": 1000.0, "output_tokens": 500}))

    run = settled(begin(), "succeeded", "failed")

    assert agreed(budget, run) == [Decimal("0.007000")]
    assert UsageRecord.objects.get().is_estimate is False


def test_a_model_name_that_is_too_long_or_missing_ends_no_run(
    claude: AnthropicStandIn, begin: Begin, budget: Budget
) -> None:
    claude.answer(message(tool_use("list_files"), model="m" * 500), message(text("Twelve."), model=None))

    run = settled(begin(), "succeeded", "failed")

    assert run.status == "succeeded"
    agreed(budget, run)
    assert list(UsageRecord.objects.order_by("pk").values_list("model", flat=True)) == ["m" * 80, "claude-sonnet-5-5"]
