"""Message box on the page of a live run."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, Team, User
from tasks.models import Run, RunKind, RunStatus
from tasks.services import shares
from tests.factories import MembershipFactory, RunFactory
from tests.html import HOSTILE, Page

HX = {"HX-Request": "true"}


@pytest.fixture
def as_viewer(team: Team) -> Client:
    viewer = Client()
    viewer.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    return viewer


@pytest.fixture
def run(team: Team) -> Run:
    return RunFactory(team=team, status=RunStatus.QUEUED)


def address(run: Run, name: str = "run_message") -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme", "run_id": run.pk})


def box(client: Client, run: Run) -> list[dict[str, str]]:
    """Return the message forms on the run's page."""
    forms = Page(client.get(address(run, "run_detail")).text).all("form")
    return [form for form in forms if form.get("id") == "run-say"]


def test_what_is_sent_is_said_to_the_run_and_the_box_is_empty_again(as_alice: Client, run: Run) -> None:
    answer = as_alice.post(address(run), {"text": "Only May.\r\nIn euros."}, headers=HX)

    assert (answer.status_code, "Only May." in answer.text) == (200, False)
    assert "Sent. The agent reads it with its next turn." in answer.text
    event = run.events.get()
    assert event.data == {"step": 0, "role": "person", "text": "Only May.\nIn euros.", "by": "Alice"}


def test_without_javascript_it_leads_back_to_the_run_where_it_stands(as_alice: Client, run: Run) -> None:
    answer = as_alice.post(address(run), {"text": "Only May."}, follow=True)

    assert answer.redirect_chain == [(address(run, "run_detail"), 302)]
    assert "Alice wrote" in answer.text
    assert "Only May." in answer.text


def test_a_nul_is_refused_in_words_and_nothing_is_said(as_alice: Client, run: Run) -> None:
    answer = as_alice.post(address(run), {"text": "Only\0May."}, headers=HX)

    assert answer.status_code == 422
    assert "The text holds a NUL or half a character." in answer.text
    assert not run.events.exists()


def test_a_nul_in_the_reason_stops_no_cancel(as_alice: Client, run: Run) -> None:
    as_alice.post(address(run, "run_cancel"), {"reason": "Too\0late"})

    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert run.events.get().data["summary"] == "Cancelled by Alice. Too\ufffdlate"


@pytest.mark.parametrize("headers", [HX, {}], ids=["htmx", "plain"])
@pytest.mark.parametrize(
    ("more", "text", "status", "said"),
    [
        ({}, " \n ", 422, "Write something first."),
        ({}, "x" * 20_001, 422, "This is 20,001 characters long. The agent can be told 20,000 at a time."),
        ({"status": RunStatus.SUCCEEDED}, "Only May.", 409, "The run has already ended (succeeded)."),
        ({"status": RunStatus.NEEDS_REVIEW}, "Only May.", 409, "The result is in review."),
        ({"kind": RunKind.REPLAY}, "Only May.", 409, "A replay follows its records and hears nobody."),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_typed(
    as_alice: Client, team: Team, headers: dict[str, str], more: dict[str, Any], text: str, status: int, said: str
) -> None:
    ended = {"finished_at": timezone.now()} if more.get("status") == RunStatus.SUCCEEDED else {}
    run = RunFactory(team=team, **more, **ended)

    answer = as_alice.post(address(run), {"text": text}, headers=headers)

    assert (answer.status_code, ("<nav" in answer.text)) == (status, not headers)
    page = Page(answer.text)
    assert said in page.text
    assert text in page.text
    (area,) = page.all("textarea")
    assert (area["aria-invalid"], area["aria-describedby"]) == ("true", "run-say-problem")
    assert not run.events.exists()


def test_a_viewer_has_no_box_and_is_told_so_when_the_role_has_changed_meanwhile(as_viewer: Client, run: Run) -> None:
    assert box(as_viewer, run) == []

    answer = as_viewer.post(address(run), {"text": "Only May."}, headers=HX)

    assert answer.status_code == 403
    assert "Your role in this team does not allow that." in answer.text
    assert "Only May." in answer.text
    assert not run.events.exists()


def test_only_a_run_that_may_hear_has_a_box(as_alice: Client, team: Team, alice: User, run: Run) -> None:
    over = RunFactory(team=team, status=RunStatus.SUCCEEDED, finished_at=timezone.now())
    replay = RunFactory(team=team, status=RunStatus.QUEUED, kind=RunKind.REPLAY)
    _, token = shares.share_run(run=run, actor=alice)

    assert [len(box(as_alice, one)) for one in (run, over, replay)] == [1, 0, 0]
    assert "run-say" not in Client().get(reverse("shares:run", kwargs={"token": token})).text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_was_typed_comes_back_as_text(as_alice: Client, team: Team, hostile: str) -> None:
    run = RunFactory(team=team, status=RunStatus.SUCCEEDED, finished_at=timezone.now())

    assert Page(as_alice.post(address(run), {"text": hostile}, headers=HX).text).problems() == []
