"""Invented data of a busy team: what there is afterwards, and that no real team is touched."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.ids import moment_of
from accounts.models import Team, User
from agents.models import Agent
from tasks.management.commands.seed_busy_team import CONFIRM
from tasks.models import HumanRequest, Run
from tests.factories import AgentFactory, RunFactory


def seed(**options: Any) -> str:
    out = StringIO()
    given = {"agents": 5, "runs": 60, "open": 14, "name_length": 200, "confirm": CONFIRM} | options
    call_command("seed_busy_team", given.pop("team", "acme"), stdout=out, **given)
    return out.getvalue()


def test_a_team_is_filled_over_three_months(as_alice: Client, alice: User, team: Team) -> None:
    assert seed() == "5 agents, 60 runs, 14 open requests.\n"

    now = timezone.now()
    ages = [(now - run.created_at).days for run in Run.objects.for_team(team)]
    assert (len(ages), min(ages) <= 2, 85 <= max(ages) <= 90) == (60, True, True)
    assert all(abs((moment_of(run.pk) - run.created_at).total_seconds()) < 1 for run in Run.objects.all())
    assert Run.objects.filter(status="waiting").count() == HumanRequest.objects.open().count() == 14
    assert HumanRequest.objects.filter(expires_at__lt=now + timedelta(hours=1)).count() == 4
    assert {"succeeded", "failed"} <= set(Run.objects.values_list("status", flat=True))
    assert max(len(agent.name) for agent in Agent.objects.all()) == 80
    assert max(len(run.title) for run in Run.objects.all()) == 160
    for name in ("inbox", "run_list", "agent_list", "dashboard"):
        assert as_alice.get(reverse(f"tasks:{name}", args=["acme"])).status_code == 200


@pytest.mark.parametrize("confirm", [None, "yes"])
def test_without_the_confirmation_nothing_is_written(alice: User, team: Team, confirm: str | None) -> None:
    with pytest.raises(CommandError, match="--confirm"):
        seed(confirm=confirm)
    assert not Run.objects.exists()
    assert not Agent.objects.exists()


def test_a_team_with_runs_is_left_alone(alice: User, team: Team) -> None:
    RunFactory(agent=AgentFactory(team=team))

    with pytest.raises(CommandError, match="has runs already"):
        seed()
    assert (Run.objects.count(), Agent.objects.count()) == (1, 1)


def test_an_unknown_team_is_said(db: None) -> None:
    with pytest.raises(CommandError, match="There is no team nowhere"):
        seed(team="nowhere")
