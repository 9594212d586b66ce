"""Walk of every URL as a member without access to a limited agent.

They must find no trace of it. New URLs are walked without being added here.
"""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from django.test import Client
from rest_framework.settings import api_settings

from accounts.models import Membership, Role, Team, User
from agents.models import Agent, AgentVersion, Memory
from tasks.models import Artifact, HumanRequest, Run, RunShare, RunStatus, Task
from tests.architecture.rows import Rows
from tests.architecture.test_outsider_urls import is_public
from tests.architecture.walk import ADDRESSES, as_json, paths
from tests.calling import api_of
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory, TaskFactory

pytestmark = pytest.mark.django_db
WORD = "quetzal"
"""Marker in every name and text of the agent and its work."""
KEPT: tuple[type[Any], ...] = (Agent, AgentVersion, Memory, Task, Run, HumanRequest, Artifact, RunShare)
METHODS = ("get", "post", "put", "patch", "delete")
GONE = {403, 404, 405}
"""Statuses of a refusal. 403 is for actions that no member may perform."""


@pytest.fixture(autouse=True)
def _unlimited_and_quiet(caplog: Any, monkeypatch: Any) -> None:
    caplog.set_level(logging.CRITICAL)
    for scope in api_settings.DEFAULT_THROTTLE_RATES:
        monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, scope, "1000000/min")


@pytest.fixture
def rows(alice: User, team: Team) -> Rows:
    """One row of every model, all of one agent that is limited to owners and admins."""
    made = Rows(team, alice)
    agent = AgentFactory(team=team, name=WORD, is_limited=True, version__instructions=WORD)
    task = TaskFactory(agent=agent, name=WORD, prompt=WORD)
    run = RunFactory(agent=agent, task=task, title=WORD, prompt=WORD, status=RunStatus.WAITING, waiting_kind="question")
    asked = HumanRequestFactory(run=run, title=WORD)
    made.of |= {Agent: agent, AgentVersion: agent.version, Task: task, Run: run, HumanRequest: asked}
    assert made.make_all() == []
    Artifact.objects.update(path=f"{WORD}.md")
    Memory.objects.update(text=WORD)
    Team.objects.filter(pk=team.pk).update(name="Acme")
    User.objects.filter(pk=alice.pk).update(name="Alice")
    return made


def _body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else bytes(response.content)


def _clients(user: User, team: Team) -> list[Client]:
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    by_key = api_of(user, team)
    by_key.raise_request_exception = False
    return [browser, by_key]


def test_a_member_who_is_not_named_finds_nothing_of_a_limited_agent(rows: Rows, team: Team, bob: User) -> None:
    shown = []
    walked = 0
    for client, address in itertools.product(_clients(bob, team), ADDRESSES):
        if is_public(address) or ("HTTP_AUTHORIZATION" in client.defaults and not address.route.startswith("api/")):
            continue
        kept = {str(rows.of[model].pk) for model in KEPT}
        for path, method in itertools.product(paths(address, rows), METHODS):
            names_it = any(one in path for one in kept)
            if not names_it and (method != "get" or any(kind == "uuid" for _, kind in address.arguments)):
                continue
            if "HTTP_AUTHORIZATION" not in client.defaults:
                client.force_login(bob)  # one of the addresses signs out
            answer = getattr(client, method)(path, **as_json(method, path))
            walked += names_it
            if (names_it and answer.status_code not in GONE) or WORD.encode() in _body(answer):
                shown.append(f"{method} {path} ({address.name}): {answer.status_code}")

    assert "\n".join(shown) == ""
    assert walked > 300


def test_who_is_named_finds_it(rows: Rows, team: Team, bob: User) -> None:
    """Request the same URLs as a named member, who finds the agent. Otherwise the walk would prove nothing."""
    agent: Any = rows.of[Agent]
    agent.named_members.add(Membership.objects.get(user=bob, team=team))
    browser = _clients(bob, team)[0]

    found = {
        address.name
        for address in ADDRESSES
        if not is_public(address) and address.name not in ("run_stream",)
        for path in paths(address, rows)
        if WORD.encode() in _body(browser.get(path))
    }

    assert len(found) > 15
    assert {"agent_detail", "run_detail", "task_detail", "inbox", "run-list", "agent-list", "inbox-list"} <= found


def test_who_sees_money_only_sees_no_work_on_any_page(rows: Rows, team: Team, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.BILLING)
    Agent.objects.update(is_limited=False)
    browser = Client(raise_request_exception=False)
    browser.force_login(bob)

    shown = [
        f"{path} ({address.name}): {answer.status_code}"
        for address in ADDRESSES
        if not is_public(address) and address.name not in ("budgets", "budget-agent")
        for path in paths(address, rows)
        if WORD.encode() in _body(answer := browser.get(path))
    ]

    assert shown == []
