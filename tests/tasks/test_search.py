"""Search of runs in their list, and of everything of a team in the palette."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.ids import first_id_at
from accounts.models import Team, User
from agents.models import Agent
from tasks.models import Artifact
from tests.factories import AgentFactory, RunFactory, StoredFileFactory, TaskFactory
from tests.html import HOSTILE, Page


@pytest.fixture
def ana(team: Team) -> Agent:
    return AgentFactory(team=team, name="Ana")


def titles(client: Client, **query: str) -> list[str]:
    return [run.title for run in client.get(reverse("tasks:run_list", args=["acme"]), query).context["runs"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["Old", "Refunds in June", "Refunds in May"]),
        ({"q": "refunds MAY"}, ["Refunds in May"]),
        ({"q": "parcels"}, ["Refunds in June"]),
        ({"q": "ana old"}, ["Old"]),
        ({"q": "100%"}, []),
        ({"by": "me"}, ["Refunds in May"]),
        ({"by": "bob"}, ["Old", "Refunds in June", "Refunds in May"]),
        ({"days": "7"}, ["Refunds in June", "Refunds in May"]),
        ({"days": "x"}, ["Old", "Refunds in June", "Refunds in May"]),
        ({"q": "refunds", "days": "30", "by": "me", "status": "succeeded"}, []),
    ],
)
def test_the_list_of_runs_is_searched(
    as_alice: Client, alice: User, bob: User, ana: Agent, other_team: Team, query: dict[str, str], found: list[str]
) -> None:
    RunFactory(agent=ana, title="Refunds in May", created_by=alice)
    RunFactory(agent=ana, title="Refunds in June", prompt="Count the parcels.", created_by=bob)
    old = first_id_at(timezone.now() - timedelta(days=40))
    RunFactory(pk=old, agent=ana, title="Old", created_by=bob)
    RunFactory(agent=AgentFactory(team=other_team), title="Refunds of others")

    assert sorted(titles(as_alice, **query)) == found


def test_a_view_is_its_address_and_pages_keep_it(as_alice: Client, ana: Agent, monkeypatch: Any) -> None:
    monkeypatch.setattr("tasks.views.runs.PAGE", 2)
    for n in range(4):
        RunFactory(agent=ana, title=f"Refunds {n}")
    address = reverse("tasks:run_list", args=["acme"])

    page = Page(as_alice.get(address, {"q": "refunds", "days": "7"}).text)

    (older,) = [link["href"] for link in page.all("a") if link.get("rel") == "next"]
    assert "q=refunds" in older
    assert "days=7" in older
    assert [link["href"] for link in page.all("a") if link.get("class") == "chip"] == [
        "?status=needs_you&by=me",
        "?status=failed&days=7",
    ]


def palette(client: Client, q: str) -> Page:
    return Page(client.get(reverse("tasks:palette", args=["acme"]), {"q": q}).text)


def test_the_palette_searches_everything_of_the_team(
    as_alice: Client, team: Team, ana: Agent, other_team: Team
) -> None:
    run = RunFactory(agent=ana, title="Week 22", prompt="Why are there more refunds?")
    for n in range(15):
        RunFactory(agent=ana, title=f"Newer {n}")
    file = StoredFileFactory(team=team)
    made = Artifact.objects.create(team=team, run=run, path="refunds.csv", file=file)
    task = TaskFactory(agent=ana, name="Weekly refunds")
    RunFactory(agent=AgentFactory(team=other_team, name="Refunds bot"), title="refunds of others")

    page = palette(as_alice, "REFUNDS")

    assert {link["href"] for link in page.all("a")} == {
        reverse("tasks:run_detail", args=["acme", run.pk]),
        reverse("tasks:artifact_detail", args=["acme", run.pk, made.pk]),
        reverse("tasks:task_detail", args=["acme", task.pk]),
    }
    assert palette(as_alice, "refunds zebra").all("a") == []
    assert len(palette(as_alice, "").all("a")) == 12


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_searches_find_nothing_and_break_nothing(as_alice: Client, ana: Agent, text: str) -> None:
    RunFactory(agent=ana)

    assert titles(as_alice, q=text) == []
    assert palette(as_alice, text).problems() == []
