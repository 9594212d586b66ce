"""Runs that start later: the form that asks for it, the pages that show it, and starting one before its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from agents.models import Agent
from tasks.models import Run
from tests.factories import AgentFactory, MembershipFactory
from tests.html import Page

BERLIN = "Europe/Berlin"


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def as_viewer(team) -> Client:
    viewer = Client()
    viewer.force_login(MembershipFactory(team=team, role=Role.VIEWER, user__name="Vera").user)
    return viewer


def url(name: str, run: Run | None = None) -> str:
    return reverse(f"tasks:{name}", args=["acme", *([run.pk] if run else [])])


def asked(agent: Agent, at: datetime, **more: Any) -> dict[str, Any]:
    """What the form sends for that moment, as a clock in Berlin shows it."""
    local = at.astimezone(ZoneInfo(BERLIN))
    sent = {"agent": agent.pk, "prompt": "Go", "start": "later", "zone": BERLIN}
    return sent | {"start_date": f"{local:%Y-%m-%d}", "start_time": f"{local:%H:%M}"} | more


def soon() -> datetime:
    return (timezone.now() + timedelta(hours=3)).replace(second=0, microsecond=0)


# ---- The form


def test_a_run_starts_at_the_time_of_the_persons_zone(as_alice: Client, agent: Agent) -> None:
    at = soon()

    answer = as_alice.post(url("run_new"), asked(agent, at, priority="-10"))

    run = Run.objects.get()
    assert answer["Location"] == url("run_detail", run)
    assert (run.status, run.start_at, run.priority) == ("scheduled", at, -10)


def test_without_javascript_the_time_is_utc_and_says_so(as_alice: Client, agent: Agent) -> None:
    at = soon()
    shown = Page(as_alice.get(url("run_new")).text)
    zone = next(field for field in shown.all("input") if field.get("name") == "zone")

    as_alice.post(url("run_new"), asked(agent, at.replace(tzinfo=ZoneInfo(BERLIN)), zone=zone["value"]))

    assert "Time zone: UTC" in shown.text
    assert Run.objects.get().start_at == at


@pytest.mark.parametrize(
    "sent", [{}, {"start": "now"}, {"start": "now", "start_date": "x", "start_time": "9:00", "zone": "\x00"}]
)
def test_now_is_now_whatever_the_hidden_fields_hold(as_alice: Client, agent: Agent, sent: dict[str, str]) -> None:
    as_alice.post(url("run_new"), {"agent": agent.pk, "prompt": "Go"} | sent)

    run = Run.objects.get()
    assert (run.status, run.start_at, run.priority) == ("queued", None, 0)


@pytest.mark.parametrize(
    ("sent", "at_fields"),
    [
        ({"start_date": ""}, {"start_date": "Choose the day."}),
        ({"start_time": ""}, {"start_time": "Choose the time."}),
        ({"start_date": "", "start_time": ""}, {"start_date": "Choose the day.", "start_time": "Choose the time."}),
        ({"start_date": "soon"}, {"start_date": "Write the day as 2026-12-31."}),
        ({"start_time": "25:00"}, {"start_time": "Write the time as 14:30."}),
        ({"start_date": "2020-02-29"}, {"start_date": "That day is over."}),
        ({"start_date": "0001-01-01", "start_time": "00:00"}, {"start_date": "That day is over."}),
        (
            {"start_date": "9999-12-31", "start_time": "23:59", "zone": "America/New_York"},
            {"start_date": "At most 3650 days from now."},
        ),
        ({"zone": "Mars/Base"}, {"start_time": "Your time zone is not known here. Give the time in UTC."}),
        ({"zone": "../../etc/passwd"}, {"start_time": "Your time zone is not known here."}),
        ({"priority": "11"}, {"priority": "Ensure this value is less than or equal to 10."}),
        ({"priority": "-11"}, {"priority": "Ensure this value is greater than or equal to -10."}),
        ({"priority": "high"}, {"priority": "Enter a whole number."}),
    ],
)
def test_a_wrong_start_is_said_at_its_field_and_nothing_is_lost(
    as_alice: Client, agent: Agent, sent: dict[str, str], at_fields: dict[str, str]
) -> None:
    body = asked(agent, soon()) | sent

    answer = as_alice.post(url("run_new"), body)

    form = answer.context["form"]
    assert answer.status_code == 422
    assert set(form.errors) == set(at_fields)
    assert [name for name, words in at_fields.items() if not form.errors[name][0].startswith(words)] == []
    kept = {f["name"]: f["value"] for f in Page(answer.text).all("input") if f.get("name", "") in body and "value" in f}
    assert {name: kept.get(name, "") for name in ("start_date", "start_time")} == {
        name: body[name] for name in ("start_date", "start_time")
    }
    assert kept["zone"] == ("UTC" if sent.get("zone", BERLIN) not in available_timezones() else body["zone"])
    assert f"Time zone: {kept['zone'].replace('_', ' ')}" in Page(answer.text).text
    assert Page(answer.text).all("textarea")[0]["name"] == "prompt"
    assert ">\nGo</textarea>" in answer.text
    assert Run.objects.exists() is False


@pytest.mark.parametrize(
    ("now", "day", "at", "said"),
    [
        ("2026-11-22T12:00:30Z", "2026-11-22", "13:00", {"start_time": "That has passed: it is 13:00 now."}),
        ("2026-11-22T23:30:00Z", "2026-11-22", "23:59", {"start_date": "That day is over."}),
        (
            *("2026-03-01T12:00:00Z", "2026-03-29", "02:30"),
            {"start_time": "That day has no such time: the clocks go forward over it."},
        ),
        ("2026-11-22T12:00:00Z", "2036-11-19", "12:59", {}),
        ("2026-11-22T12:00:00Z", "2036-11-19", "13:01", {"start_date": "At most 3650 days from now."}),
    ],
)
def test_the_clock_of_the_zone_decides(
    as_alice: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch, now: str, day: str, at: str, said: dict[str, str]
) -> None:
    moment = datetime.fromisoformat(now)
    monkeypatch.setattr("tasks.forms.starts.timezone.now", lambda: moment)

    answer = as_alice.post(url("run_new"), asked(agent, soon(), start_date=day, start_time=at))

    errors = answer.context["form"].errors if answer.status_code == 422 else {}
    assert {name: messages[0] for name, messages in errors.items()} == said


def test_of_an_hour_that_comes_twice_it_is_the_first(
    as_alice: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 10, 1, tzinfo=UTC)
    monkeypatch.setattr("tasks.forms.starts.timezone.now", lambda: moment)

    as_alice.post(url("run_new"), asked(agent, soon(), start_date="2026-10-25", start_time="02:30"))

    assert Run.objects.get().start_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_viewer_schedules_nothing(as_viewer: Client, agent: Agent) -> None:
    assert as_viewer.post(url("run_new"), asked(agent, soon())).status_code == 403
    assert Run.objects.exists() is False
