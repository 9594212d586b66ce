from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import InvalidInput
from accounts.models import User
from agents.models import Agent, Memory
from agents.services import memories
from agents.services.memories import AgentMemory
from tests.factories import AgentFactory


@pytest.fixture
def rita(db: None) -> Agent:
    return AgentFactory(name="Rita")


def memory_of(agent: Agent) -> AgentMemory:
    return AgentMemory(agent_id=agent.pk, team_id=agent.team_id)


def texts(agent: Agent) -> list[str]:
    return list(agent.memories.order_by("created_at").values_list("text", flat=True))


def test_the_same_fact_is_kept_once(rita: Agent) -> None:
    memory = memory_of(rita)

    first = memory.remember(text="Fernhill pays in euros.")
    again = memory.remember(text="  fernhill pays\nin EUROS. ")

    assert first == again
    assert texts(rita) == ["Fernhill pays in euros."]


def test_two_agents_remember_apart(rita: Agent) -> None:
    other = AgentFactory(team=rita.team)

    memory_of(rita).remember(text="Fernhill pays in euros.")
    memory_of(other).remember(text="Fernhill pays in euros.")

    assert Memory.objects.count() == 2
    assert memory_of(other).recall(query="euros", limit=5) == ["Fernhill pays in euros."]


def test_recall_gives_the_best_first_and_then_the_newest(rita: Agent) -> None:
    memory = memory_of(rita)
    for text in (
        "Refunds above $500 need the owner's word.",
        "The report goes out on Mondays.",
        "Most refunds are for late deliveries, and refunds for late deliveries rise in winter.",
    ):
        memory.remember(text=text)

    assert memory.recall(query="why are deliveries refunded late?", limit=3) == [
        "Most refunds are for late deliveries, and refunds for late deliveries rise in winter.",
        "Refunds above $500 need the owner's word.",
        "The report goes out on Mondays.",
    ]
    assert memory.recall(query="refund", limit=1) != ["The report goes out on Mondays."]


@pytest.mark.parametrize("query", ["", "   ", "-!&|", "' OR 1=1 --", '"unclosed', "x" * 5000, "(((", "-mondays"])
def test_recall_takes_any_query(rita: Agent, query: str) -> None:
    memory_of(rita).remember(text="The report goes out on Mondays.")

    assert memory_of(rita).recall(query=query, limit=3) == ["The report goes out on Mondays."]


def test_the_oldest_goes_when_the_memory_is_full(rita: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memories, "MAX_MEMORIES", 3)
    memory = memory_of(rita)
    for n in range(3):
        memory.remember(text=f"Fact {n}")
    Memory.objects.filter(text="Fact 0").update(created_at=timezone.now() - timedelta(hours=1))
    memory.remember(text="Fact 0")

    memory.remember(text="Fact 3")

    assert texts(rita) == ["Fact 2", "Fact 0", "Fact 3"]


@pytest.mark.parametrize("text", ["", " \n ", "x" * 2001])
def test_a_memory_has_a_length(rita: Agent, text: str) -> None:
    with pytest.raises(InvalidInput):
        memory_of(rita).remember(text=text)

    assert texts(rita) == []


def test_people_add_correct_and_delete(rita: Agent, alice: User) -> None:
    first = memories.add_memory(agent=rita, actor=alice, text="Pays in euros.")
    second = memories.add_memory(agent=rita, actor=alice, text="Pays in dollars.")

    merged = memories.change_memory(memory=second, actor=alice, text="Pays in euros.")
    assert (merged.pk, texts(rita)) == (first.pk, ["Pays in euros."])

    memories.forget_memory(memory=merged, actor=alice)
    assert texts(rita) == []


def test_what_a_person_accepted_comes_first_and_goes_last(
    rita: Agent, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories, "MAX_MEMORIES", 2)
    memory = memory_of(rita)
    memory.remember(text="Refunds go out on Mondays.")
    memories.accept_memory(memory=rita.memories.get(), actor=alice)
    memory.remember(text="Refunds go out on Fridays.")

    assert memory.recall(query="refunds", limit=2) == ["Refunds go out on Mondays.", "Refunds go out on Fridays."]
    memory.remember(text="Refunds need a receipt.")

    assert texts(rita) == ["Refunds go out on Mondays.", "Refunds need a receipt."]
