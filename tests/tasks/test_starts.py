"""Scheduled runs: the form, the pages that show them, and starting one early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import formats
from accounts.models import AuditEntry, Role, User
from agents.models import Agent
from tasks.models import Run, Task
from tests.factories import AgentFactory, MembershipFactory, TaskFactory, start_run
from tests.html import Page

TOKYO = "Asia/Tokyo"
"""Time zone without daylight saving time."""


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def as_viewer(team) -> Client:
    viewer = Client()
    viewer.force_login(MembershipFactory(team=team, role=Role.VIEWER, user__name="Vera").user)
    return viewer


def url(name: str, run: Run | None = None) -> str:
    return reverse(f"tasks:{name}", args=["acme", *([run.pk] if run else [])])


def asked(agent: Agent, at: datetime, **more: Any) -> dict[str, Any]:
    """Return the form data for that moment, as a clock in Tokyo shows it."""
    local = at.astimezone(ZoneInfo(TOKYO))
    sent = {"agent": agent.pk, "prompt": "Go", "start": "later", "zone": TOKYO}
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

    as_alice.post(url("run_new"), asked(agent, at.replace(tzinfo=ZoneInfo(TOKYO)), zone=zone["value"]))

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
    assert kept["zone"] == ("UTC" if sent.get("zone", TOKYO) not in available_timezones() else body["zone"])
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

    sent = {"start_date": day, "start_time": at, "zone": "Europe/Berlin"}
    answer = as_alice.post(url("run_new"), asked(agent, soon()) | sent)

    errors = answer.context["form"].errors if answer.status_code == 422 else {}
    assert {name: messages[0] for name, messages in errors.items()} == said


def test_of_an_hour_that_comes_twice_it_is_the_first(
    as_alice: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 10, 1, tzinfo=UTC)
    monkeypatch.setattr("tasks.forms.starts.timezone.now", lambda: moment)

    sent = {"start_date": "2026-10-25", "start_time": "02:30", "zone": "Europe/Berlin"}
    as_alice.post(url("run_new"), asked(agent, soon()) | sent)

    assert Run.objects.get().start_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_viewer_schedules_nothing(as_viewer: Client, agent: Agent) -> None:
    assert as_viewer.post(url("run_new"), asked(agent, soon())).status_code == 403
    assert Run.objects.exists() is False


# ---- The form of a task


@pytest.fixture
def task(agent: Agent) -> Task:
    return TaskFactory(agent=agent, prompt="Count {{what}}", variables=[{"name": "what", "type": "text"}])


def task_url(task: Task) -> str:
    return reverse("tasks:task_detail", args=["acme", task.pk])


def test_a_task_starts_later_too(as_alice: Client, agent: Agent, task: Task) -> None:
    at = soon()

    as_alice.post(task_url(task), asked(agent, at, priority="7") | {"value-what": "boxes"})

    run = Run.objects.get()
    assert (run.status, run.start_at, run.priority, run.prompt) == ("scheduled", at, 7, "Count boxes")


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"start_time": ""}, "start_time"),
        ({"priority": "11"}, "priority"),
    ],
)
def test_a_wrong_start_of_a_task_keeps_its_values(
    as_alice: Client, agent: Agent, task: Task, sent: dict[str, str], wrong: str
) -> None:
    answer = as_alice.post(task_url(task), asked(agent, soon()) | {"value-what": "boxes"} | sent)

    assert (answer.status_code, set(answer.context["form"].errors)) == (422, {wrong})
    assert ">\nboxes</textarea>" in answer.text
    assert Run.objects.exists() is False


def test_what_the_service_refuses_about_the_start_stands_at_the_day(
    as_alice: Client, agent: Agent, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.services.runs.LATEST_START", timedelta(hours=1))

    sent = asked(agent, soon()) | {"value-what": "boxes"}
    answers = [as_alice.post(address, sent) for address in (task_url(task), url("run_new"))]

    assert [set(answer.context["form"].errors) for answer in answers] == [{"start_date"}] * 2


def test_a_viewer_schedules_no_run_of_a_task(as_viewer: Client, agent: Agent, task: Task) -> None:
    answer = as_viewer.post(task_url(task), asked(agent, soon()) | {"value-what": "boxes"})

    assert (answer.status_code, Run.objects.exists()) == (403, False)


# ---- Pages that show it


@pytest.fixture
def planned(team, alice: User, agent: Agent) -> Run:
    return start_run(team=team, actor=alice, agent=agent, prompt="Count the stock", start_at=soon(), priority=3)


PAGES = ("run_detail", "run_list", "dashboard", "dashboard_live")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_when_a_scheduled_run_starts(as_alice: Client, planned: Run, name: str) -> None:
    page = Page(as_alice.get(url(name, planned if name == "run_detail" else None)).text)

    at = planned.start_at
    assert at is not None
    assert f"tarts {formats.day_time(at)} (in 2 h)" in page.text
    assert [mark["datetime"] for mark in page.all("time") if mark.get("data-clock") == "day"]


@pytest.mark.parametrize("name", PAGES)
def test_who_may_start_runs_is_offered_it(as_alice: Client, as_viewer: Client, planned: Run, name: str) -> None:
    address = url(name, planned if name == "run_detail" else None)

    offered, shown = (Page(someone.get(address).text) for someone in (as_alice, as_viewer))

    aims = [tag.get("action") or tag.get("formaction") for tag in (*offered.all("form"), *offered.all("button"))]
    assert aims.count(url("run_start", planned)) == 1
    assert "Start now" not in shown.text
    assert "tarts " in shown.text


def test_the_buttons_of_a_list_send_a_form_that_is_on_the_page(as_alice: Client, planned: Run) -> None:
    for name in ("run_list", "dashboard"):
        page = Page(as_alice.get(url(name)).text)
        assert {b["form"] for b in page.all("button") if "formaction" in b and "form" in b} == {"start-now"}
        assert [form["method"] for form in page.all("form") if form.get("id") == "start-now"] == ["post"]


def test_a_run_that_was_started_early_is_no_scheduled_one_any_more(as_alice: Client, planned: Run) -> None:
    as_alice.post(url("run_start", planned))

    for name in PAGES:
        page = Page(as_alice.get(url(name, planned if name == "run_detail" else None)).text)
        assert f"tarts {formats.day_time(planned.start_at)}" not in page.text
        assert "(in 2 h)" not in page.text


def test_the_next_three_that_start_are_on_the_dashboard(as_alice: Client, team, alice: User, agent: Agent) -> None:
    for hours in (9, 1, 5, 3):
        at = timezone.now() + timedelta(hours=hours, minutes=1)
        start_run(team=team, actor=alice, agent=agent, prompt=f"In {hours}", start_at=at)

    links = [link["href"] for link in Page(as_alice.get(url("dashboard_live")).text).all("a")]

    first = [url("run_detail", Run.objects.get(title=f"In {hours}")) for hours in (1, 3, 5)]
    assert [link for link in links if link in {url("run_detail", run) for run in Run.objects.all()}] == first


# ---- Starting it now


def told(run: Run) -> list[tuple[str, Any]]:
    return [(event.type, event.data.get("reason")) for event in run.events.order_by("seq")]


def test_it_starts_before_its_time_once_however_often_it_is_asked(
    as_alice: Client, planned: Run, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr("tasks.queue.wake_run", woken.append)
    was = planned.start_at

    with django_capture_on_commit_callbacks(execute=True):
        answers = [as_alice.post(url("run_start", planned), follow=True) for _ in range(2)]

    planned.refresh_from_db()
    assert (planned.status, planned.start_at, woken) == ("queued", None, [planned.pk])
    assert planned.queue_expires_at is not None
    assert abs(planned.queue_expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert told(planned) == [("run.created", None), ("run.queued", "scheduled"), ("run.queued", "early")]
    entries = AuditEntry.objects.filter(action="run.started_early")
    assert [(entry.actor, entry.data) for entry in entries] == [(planned.created_by, {"start_at": was.isoformat()})]
    assert [answer.redirect_chain for answer in answers] == [[(url("run_detail", planned), 302)]] * 2
    assert ["The run has already started." in Page(answer.text).text for answer in answers] == [False, True]
    assert "Started before its time" in Page(answers[0].text).text


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"status": "queued", "start_at": None}, "The run has already started."),
        ({"status": "running"}, "The run has already started."),
        ({"status": "waiting", "waiting_kind": "timer"}, "The run has already started."),
        ({"status": "needs_review"}, "The run has already started."),
        ({"status": "cancelled"}, "The run has already ended (cancelled)."),
        ({"status": "succeeded"}, "The run has already ended (succeeded)."),
    ],
)
def test_a_run_that_moved_meanwhile_stays_as_it_is(
    as_alice: Client, planned: Run, now: dict[str, Any], said: str
) -> None:
    lease = {"lease_expires_at": timezone.now() + timedelta(minutes=1)} if now["status"] == "running" else {}
    over = {"finished_at": timezone.now()} if now["status"] in ("cancelled", "succeeded") else {}
    Run.objects.filter(pk=planned.pk).update(**now, **lease, **over)
    before = Run.objects.values().get()

    answer = as_alice.post(url("run_start", planned), follow=True)

    assert said in Page(answer.text).text
    assert Run.objects.values().get() == before
    assert not AuditEntry.objects.filter(action="run.started_early").exists()


def test_a_viewer_and_another_team_start_nothing(as_viewer: Client, charlie: User, planned: Run) -> None:
    outsider = Client()
    outsider.force_login(charlie)

    assert [who.post(url("run_start", planned)).status_code for who in (as_viewer, outsider)] == [403, 404]
    planned.refresh_from_db()
    assert planned.status == "scheduled"


def test_a_look_at_the_address_starts_nothing(as_alice: Client, planned: Run) -> None:
    assert as_alice.get(url("run_start", planned)).status_code == 405
    planned.refresh_from_db()
    assert planned.status == "scheduled"
