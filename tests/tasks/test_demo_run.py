"""Main flow with the demo analyst, the real engine and the real tools.

It has a question, an approval, a review and a revision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from accounts.models import Team, User
from agents.models import Agent
from agents.roles import find, starting_point
from agents.services.agents import create_from_role
from storage import services as storage
from tasks.models import Artifact, HumanRequest, Run, RunEvent
from tasks.services import answers
from tests.factories import start_run
from tests.tasks.scripted import settled, types

pytestmark = pytest.mark.usefixtures("driver")
TICKETS = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "support-tickets.csv"
LONG_ENOUGH_S = 60.0


@pytest.fixture
def analyst(team: Team, alice: User, settings: Any) -> Agent:
    settings.DEMO_DELAY_MS = 0
    role = find("data-analyst")
    assert role
    tools = [row for row in starting_point(role)["tools"] if row["tool"] != "run_python"]
    return create_from_role(team=team, actor=alice, role=role, runtime="demo", model="demo-1", tools=tools)


def begin(agent: Agent, team: Team, alice: User, **options: Any) -> Run:
    file = storage.save_file(team_id=team.pk, content=TICKETS, name=TICKETS.name, content_type="text/csv")
    return start_run(team=team, actor=alice, agent=agent, prompt="What drives refunds?", attachments=[file], **options)


def answer(run: Run, alice: User, **given: Any) -> HumanRequest:
    """Answer the open request of the run."""
    asked = HumanRequest.objects.get(run=run, status="open")
    shown = {"digest": asked.digest} if asked.kind == "approval" else {}
    return answers.answer_request(asked=asked, actor=alice, answer=given | shown)


def read(run: Run, path: str) -> str:
    artifact = Artifact.objects.filter(run=run, path=path).order_by("-version").first()
    assert artifact
    with storage.open_file(artifact.file) as file:
        return bytes(file.read()).decode()


def test_asked_approved_reviewed_and_revised(analyst: Agent, team: Team, alice: User) -> None:
    run = settled(begin(analyst, team, alice, review=True), "waiting", seconds=LONG_ENOUGH_S)
    assert run.waiting_kind == "question"

    answer(run, alice, value="refunded")
    run = settled(run, "waiting", seconds=LONG_ENOUGH_S)
    assert run.waiting_kind == "approval"
    assert mail.outbox == []

    answer(run, alice, decision="approve")
    run = settled(run, "needs_review", seconds=LONG_ENOUGH_S)
    assert [message.to for message in mail.outbox] == [["alice@example.com"]]
    assert sorted(name for name, _, _ in mail.outbox[0].attachments) == ["chart.png", "chart.svg", "report.md"]
    assert "In 122 of 640 rows (19.1%)" in read(run, "report.md")
    assert "**Demo model.**" in read(run, "report.md")
    assert read(run, "chart.svg").startswith("<?xml")

    answers.review_run(run=run, actor=alice, decision="revise", comment="Please add the country")
    run = settled(run, "needs_review", seconds=LONG_ENOUGH_S)
    assert "## By `country`" in read(run, "report.md")
    assert len(mail.outbox) == 1

    answers.review_run(run=run, actor=alice, decision="approve")
    run = settled(run, "succeeded")
    assert run.cost_usd == 0
    started = RunEvent.objects.filter(run=run, type="run.started").first()
    assert started
    assert started.data["badge"] == "Demo model"
    assert "error" not in types(run)


def test_a_declined_mail_does_not_fail_the_run(analyst: Agent, team: Team, alice: User) -> None:
    run = settled(begin(analyst, team, alice), "waiting", seconds=LONG_ENOUGH_S)
    answer(run, alice, value="refund_usd")
    run = settled(run, "waiting", seconds=LONG_ENOUGH_S)

    answer(run, alice, decision="reject", comment="Not needed.")

    run = settled(run, "succeeded", seconds=LONG_ENOUGH_S)
    assert mail.outbox == []
    assert "the average `refund_usd` is $26.13" in read(run, "report.md")
