"""Page titles, initial focus, and buttons that copy ids."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from tasks.models import TERMINAL
from tasks.services import shares
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.html import Page

TEMPLATES = sorted((settings.BASE_DIR / "templates").glob("**/*.html"))
ID = re.compile(r"{{ (?:[\w.]*(?:\.pk|_id|\.id|\.prefix))\b[^}]*}}")


def title(html: str) -> str:
    return re.findall(r"<title[^>]*>(.*?)</title>", html)[0]


@pytest.mark.parametrize(
    ("status", "waiting_kind", "words"),
    [
        ("queued", "", "Queued"),
        ("running", "", "Running"),
        ("waiting", "question", "Waiting for you"),
        ("waiting", "approval", "Waiting for you"),
        ("waiting", "model", "Waiting for the model"),
        ("needs_review", "", "In review"),
        ("succeeded", "", "Done"),
        ("failed", "", "Failed"),
    ],
)
def test_the_title_of_a_run_begins_with_its_state(
    as_alice: Client, team: Team, alice: User, status: str, waiting_kind: str, words: str
) -> None:
    now = timezone.now()
    also: dict[str, Any] = {"finished_at": now} if status in TERMINAL else {}
    if status == "running":
        also = {"lease_expires_at": now + timedelta(hours=1)}
    if waiting_kind == "model":
        also = {"start_at": now}
    agent = AgentFactory(team=team)
    run = RunFactory(
        agent=agent, title="Refunds <in> May", status=status, waiting_kind=waiting_kind, started_at=now, **also
    )
    if waiting_kind in ("question", "approval"):
        HumanRequestFactory(run=run, kind=waiting_kind)
    token = shares.share_run(run=run, actor=alice)[1]

    page = as_alice.get(f"/t/acme/runs/{run.pk}/").text

    assert title(page) == f"{words} · Refunds &lt;in&gt; May · Deskhand"
    assert title(Client().get(f"/share/{token}/").text) == title(page)
    assert f'data-title-state="{words}"' in page


def test_the_title_of_a_page_counts_what_waits(as_alice: Client, team: Team) -> None:
    assert title(as_alice.get("/t/acme/tasks/").text) == "Tasks · Deskhand"

    for _ in range(2):
        HumanRequestFactory(run__agent=AgentFactory(team=team))

    page = as_alice.get("/t/acme/tasks/").text
    assert title(page) == "(2) Tasks · Deskhand"
    assert "<title data-count>" in page
    assert not title(as_alice.get("/").text).startswith("(")


@pytest.mark.parametrize(
    ("path", "name"),
    [("/accounts/login/", "login"), ("/accounts/signup/", "email"), ("/accounts/password/reset/", "email")],
)
def test_a_page_that_is_one_form_begins_in_its_first_field(client: Client, db: None, path: str, name: str) -> None:
    tags = Page(client.get(path).text).tags

    assert [attributes["name"] for _, attributes in tags if "autofocus" in attributes] == [name]


def test_every_id_that_is_shown_can_be_copied() -> None:
    found = []
    for path in TEMPLATES:
        shown = re.sub(r"{%.*?%}|<[^>]*>", " ", re.sub(r"{% comment %}.*?{% endcomment %}", "", path.read_text()))
        is_copied = "copy-id" in path.read_text()
        found += [
            f"{path.name}: {what}" for what in ID.findall(shown) if not is_copied and not path.stem.endswith("_attrs")
        ]

    assert found == []
