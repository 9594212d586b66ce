from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.db.models import Value
from django.db.models.functions import Concat
from django.test import Client

from accounts.models import ApiKey, AuditEntry, Team, User
from agents.models import Agent
from agents.services import agents
from billing.plans import PLANS
from config import demo
from storage.models import StoredFile
from tasks.models import Run, Task
from tests.calling import Api


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any, db: None) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    return tmp_path / "var"


def seeded(home: Path) -> dict[str, str]:
    call_command("seed_demo", verbosity=0)
    found: dict[str, str] = json.loads((home / "demo.json").read_text())
    return found


def counts() -> list[int]:
    return [model.objects.count() for model in (User, Team, Agent, Task, StoredFile, ApiKey, AuditEntry)]


def test_the_file_says_how_to_sign_in_and_only_its_owner_reads_it(home: Path) -> None:
    found = seeded(home)

    assert set(found) == {"url", "email", "password", "operator_email", "operator_password", "team", "api_key"}
    assert (home / "demo.json").stat().st_mode & 0o777 == 0o600
    assert (found["url"], found["team"]) == ("http://127.0.0.1:8000", "fernhill-supply")
    for email, password in ((found["email"], found["password"]), (found["operator_email"], found["operator_password"])):
        browser = Client()
        browser.post("/accounts/login/", {"login": email, "password": password})
        assert browser.get("/api/v1/me/").status_code == 200
    person, operator = User.objects.get(email=found["email"]), User.objects.get(email=found["operator_email"])
    assert (person.is_staff, operator.is_staff, operator.is_superuser) == (False, True, True)


@pytest.mark.parametrize("plan", PLANS)
def test_the_demo_is_whole_whatever_plan_new_teams_get(home: Path, settings: Any, plan: str) -> None:
    settings.DEFAULT_PLAN = plan

    seeded(home)

    assert Agent.objects.filter(team__slug="fernhill-supply").count() == 3
    assert Team.objects.get(slug="fernhill-supply").plan.plan == "enterprise"
    assert Team.objects.exclude(slug="fernhill-supply").get().plan.plan == plan


def test_the_key_of_the_file_starts_the_demo_task(home: Path) -> None:
    api = Api(headers={"Authorization": f"Bearer {seeded(home)['api_key']}"})

    names = {agent["name"]: agent for agent in api.get("/api/v1/agents/").json()["results"]}
    assert names["Rita"]["role"] == "Data analyst"
    assert len(names) == 3
    task = next(row for row in api.get("/api/v1/tasks/").json()["results"] if "{{measure}}" in row["prompt"])
    run = api.send("POST", f"/api/v1/tasks/{task['id']}/runs/", {})

    assert run.status_code == 201
    assert [row["name"] for row in run.json()["attachments"]] == ["support-tickets.csv"]
    assert Run.objects.count() == 1


def test_seeding_twice_changes_nothing(home: Path) -> None:
    first, before = seeded(home), counts()

    assert seeded(home) == first
    assert counts() == before


def test_what_people_deleted_does_not_come_back(home: Path) -> None:
    seeded(home)
    for agent in Agent.objects.all():
        agents.remove_agent(agent=agent, actor=None)

    seeded(home)

    assert Agent.objects.present().count() == 0


def test_a_lost_file_gets_new_passwords_and_a_lost_key_a_new_one(home: Path) -> None:
    first = seeded(home)
    (home / "demo.json").unlink()

    second = seeded(home)

    assert second["password"] != first["password"]
    assert User.objects.get(email=second["email"]).check_password(second["password"])
    assert second["api_key"] != first["api_key"]
    ApiKey.objects.all().delete()
    third = seeded(home)
    assert third["api_key"] not in {first["api_key"], second["api_key"]}
    assert third["password"] == second["password"]


def test_a_new_database_keeps_the_passwords_of_the_file(home: Path) -> None:
    first = seeded(home)
    User.objects.update(email=Concat(Value("former-"), "email"))
    EmailAddress.objects.all().delete()

    second = seeded(home)

    assert second["password"] == first["password"]
    assert User.objects.get(email=second["email"]).check_password(first["password"])


def test_without_the_example_table_there_are_agents_all_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EXAMPLE", Path("/nowhere"))

    seeded(home)

    assert (StoredFile.objects.count(), Agent.objects.count()) == (0, 3)
