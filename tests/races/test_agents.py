"""Agents that two people change at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from agents.models import Agent
from agents.services import agents
from tests.calling import Api, api_of
from tests.factories import AgentFactory
from tests.races.concurrency import while_open

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def agent(team: Team) -> Agent:
    return AgentFactory(team=team, version__max_cost_usd=Decimal("8.00"))


@pytest.fixture
def page(bob: User) -> Client:
    browser = Client()
    browser.force_login(bob)
    return browser


@pytest.fixture
def api(bob: User, team: Team) -> Api:
    return api_of(bob, team)


def while_changed(agent: Agent, alice: User, changes: dict[str, Any], work: Callable[[], Any]) -> Any:
    """Call `work` while Alice's change is uncommitted. Return its result."""
    return while_open(lambda: agents.update_agent(agent=agent, actor=alice, changes=changes), work)


@pytest.mark.parametrize("way", ["edit", "restore", "api change", "api restore"])
def test_what_a_member_may_let_a_run_cost_is_asked_of_the_agent_as_it_is_by_then(
    agent: Agent, alice: User, page: Client, api: Api, way: str
) -> None:
    edit = reverse("tasks:agent_edit", args=["acme", agent.pk])
    form = page.get(edit).context["form"].initial
    ways: dict[str, Callable[[], Any]] = {
        "edit": lambda: page.post(edit, {name: value for name, value in form.items() if value not in (None, False)}),
        "restore": lambda: page.post(reverse("tasks:agent_restore", args=["acme", agent.pk, 1])),
        "api change": lambda: api.send("PATCH", f"/api/v1/agents/{agent.pk}/", {"limits": {"max_cost_usd": "8.00"}}),
        "api restore": lambda: api.send("POST", f"/api/v1/agents/{agent.pk}/versions/1/restore/"),
    }

    refused = while_changed(agent, alice, {"max_cost_usd": Decimal("3.00")}, ways[way])

    assert refused.status_code == (422 if way == "edit" else 403)
    assert way != "edit" or "More than $5.00 takes an owner or admin of the team." in refused.text
    agent.refresh_from_db()
    assert agent.version
    assert (agent.version.number, agent.version.max_cost_usd) == (2, 3)


def test_of_two_changes_at_once_the_second_comes_after_the_first(agent: Agent, alice: User, bob: User) -> None:
    def second() -> Agent:
        return agents.update_agent(agent=agent, actor=bob, changes={"max_turns": 7})

    changed = while_changed(agent, alice, {"instructions": "Be brief."}, second)

    assert changed.version
    assert (changed.version.number, changed.version.instructions, changed.version.max_turns) == (3, "Be brief.", 7)
