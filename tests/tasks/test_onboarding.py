from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.errors import InvalidInput
from accounts.models import Role
from agents import roles
from agents.models import Agent
from tasks.models import Run, Task
from tasks.services.onboarding import hire_role
from tests.factories import AgentFactory, MembershipFactory


@pytest.fixture
def as_bob(client: Client, bob) -> Client:
    client.force_login(bob)
    return client


def page(name: str, **ids: object) -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme", **ids})


@pytest.mark.parametrize("role", roles.ROLES, ids=lambda role: role.key)
def test_every_role_brings_its_tasks(team, bob, role):
    agent = hire_role(team=team, actor=bob, role=role.key)

    assert (agent.name, agent.role, agent.hue) == (role.first_name, role.name, role.hue)
    assert [row["tool"] for row in agent.version.tools] == [name for name, _ in role.tools]
    assert Task.objects.filter(agent=agent).count() == len(role.tasks) > 0


def test_a_role_that_does_not_exist_makes_nothing(team, bob):
    with pytest.raises(InvalidInput):
        hire_role(team=team, actor=bob, role="wizard")

    assert not Agent.objects.exists()


def test_choosing_a_role_leads_to_a_first_run(as_bob, team):
    shown = as_bob.get(page("onboarding")).content.decode()
    assert all(role.name in shown for role in roles.ROLES)

    answer = as_bob.post(page("onboarding"), {"role": "data-analyst", "name": "Ada"})

    agent = Agent.objects.get(team=team)
    assert agent.name == "Ada"
    assert answer.headers["Location"] == page("onboarding_first_run", agent_id=agent.pk)
    first = as_bob.get(answer.headers["Location"]).content.decode()
    assert roles.find("data-analyst").example_prompt[:40] in first
    assert "support-tickets.csv" in first


def test_no_role_is_said(as_bob):
    answer = as_bob.post(page("onboarding"), {"role": "wizard"})

    assert answer.status_code == 422
    assert "is not one of the available choices" in answer.content.decode()
    assert not Agent.objects.exists()


def test_the_first_run_starts_with_the_example_file(as_bob, team, bob):
    agent = hire_role(team=team, actor=bob, role="data-analyst")

    answer = as_bob.post(
        page("onboarding_first_run", agent_id=agent.pk), {"prompt": "What drives refunds?", "use_example": "on"}
    )

    run = Run.objects.get(team=team)
    assert answer.headers["Location"] == page("run_detail", run_id=run.pk)
    assert [item.name for item in run.inputs.all()] == ["support-tickets.csv"]
    assert (run.prompt, run.created_by) == ("What drives refunds?", bob)


def test_the_persons_own_file_goes_before_the_example(as_bob, team, bob):
    agent = hire_role(team=team, actor=bob, role="data-analyst")
    file = SimpleUploadedFile("../Umsätze <1>.csv", b"a;b\n1;2\n", content_type="text/html")

    as_bob.post(
        page("onboarding_first_run", agent_id=agent.pk),
        {"prompt": "Sum b.", "use_example": "on", "file": file},
    )

    stored = Run.objects.get().inputs.get().file
    assert stored.size == 8
    assert "/" not in stored.name
    assert stored.content_type != "text/html"


@pytest.mark.parametrize(
    ("data", "words"), [({"prompt": " "}, "This field is required."), ({"prompt": "x" * 100_001}, "at most 100000")]
)
def test_a_first_run_that_does_not_fit_is_said(as_bob, team, data, words):
    agent = AgentFactory(team=team)

    answer = as_bob.post(page("onboarding_first_run", agent_id=agent.pk), data)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Run.objects.exists()


def test_a_file_that_is_too_large_is_said(as_bob, team, settings):
    settings.UPLOAD_MAX_BYTES = 3
    agent = AgentFactory(team=team)

    answer = as_bob.post(
        page("onboarding_first_run", agent_id=agent.pk), {"prompt": "x", "file": SimpleUploadedFile("a.csv", b"1234")}
    )

    assert answer.status_code == 422
    assert "a.csv is larger than" in answer.content.decode()
    assert not Run.objects.exists()


def test_a_viewer_starts_nothing(client, team):
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    agent = AgentFactory(team=team)

    assert client.get(page("onboarding")).status_code == 403
    assert client.post(page("onboarding"), {"role": "data-analyst"}).status_code == 403
    assert client.post(page("onboarding_first_run", agent_id=agent.pk), {"prompt": "x"}).status_code == 403
    assert (Agent.objects.count(), Run.objects.count()) == (1, 0)


def test_an_agent_of_another_team_is_not_there(as_bob, other_team):
    agent = AgentFactory(team=other_team)

    assert as_bob.post(page("onboarding_first_run", agent_id=agent.pk), {"prompt": "x"}).status_code == 404
    assert not Run.objects.exists()
