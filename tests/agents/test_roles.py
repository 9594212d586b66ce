"""Completeness of every role template: its tools, icon, example and tasks exist and fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from accounts.errors import InvalidInput
from agents.models import Agent, AgentVersion
from agents.roles import ROLES, RoleTemplate, find, find_by_name, starting_point
from tasks import variables
from tools.catalog import BUILTIN
from tools.spec import Policy

ROOT = Path(__file__).resolve().parent.parent.parent
SPRITE = (ROOT / "static" / "dist" / "sprite.svg").read_text()
HUES = {"blue", "teal", "moss", "amber", "coral", "rose", "plum", "slate"}
every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.key)


def test_the_roles_that_people_expect() -> None:
    assert [role.name for role in ROLES] == [
        "Data analyst",
        "Researcher",
        "Support rep",
        "Sales development rep",
        "Content writer",
        "App builder",
        "Operations assistant",
    ]
    assert len({role.hue for role in ROLES}) == len({role.icon for role in ROLES}) == len(ROLES)


def test_roles_are_found_by_key_and_by_name() -> None:
    assert find("data-analyst") is find_by_name("Data analyst") is ROLES[0]
    assert find("nobody") is find_by_name("") is None


@every_role
def test_instructions_say_how_when_what_and_never(role: RoleTemplate) -> None:
    headings = re.findall(r"^## (.+)$", role.instructions, re.MULTILINE)

    assert headings == ["How you work", "When to ask", "What you deliver", "Quality bar", "Never"]
    assert 300 <= len(role.instructions.split()) <= 600
    assert "ollow instructions" in role.instructions or "instruction" in role.instructions.split("## Never")[1]


@every_role
def test_tools_exist_and_what_leaves_the_house_asks_first(role: RoleTemplate) -> None:
    policies = dict(role.tools)

    assert set(policies) <= set(BUILTIN)
    assert {"ask_human", "report_progress", "write_file", "remember", "recall"} <= set(policies)
    assert policies.get("email_report", Policy.ASK) is Policy.ASK
    assert Policy.DENY not in policies.values()


@every_role
def test_looks_are_in_the_design(role: RoleTemplate) -> None:
    assert f'id="i-{role.icon}"' in SPRITE
    assert role.hue in HUES


@every_role
def test_the_example_is_there(role: RoleTemplate) -> None:
    assert (ROOT / "docs" / "examples" / role.example_file).stat().st_size > 1000
    assert len(role.example_prompt) > 10


@every_role
def test_example_tasks_are_valid(role: RoleTemplate) -> None:
    assert role.tasks
    for task in role.tasks:
        variables.check_declared(task.prompt, task.variables)


def test_a_task_whose_prompt_and_variables_differ_would_be_noticed() -> None:
    with pytest.raises(InvalidInput):
        variables.check_declared("Compare {{one}}", [{"name": "other", "type": "text"}])


@pytest.mark.django_db
@every_role
def test_an_agent_can_be_made_of_it(role: RoleTemplate) -> None:
    fields = {field.name for model in (Agent, AgentVersion) for field in model._meta.get_fields()}
    agent, start = Agent(), starting_point(role)

    assert set(start) <= fields
    for name in ("name", "role", "description", "hue", "icon"):
        setattr(agent, name, start[name])
    agent.clean_fields(exclude=["team", "version", "created_by"])
    assert start["tools"] == [{"tool": name, "policy": policy} for name, policy in role.tools]
