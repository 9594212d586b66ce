"""Decisions about many calls at once: shown whole, bound to what was shown, each checked by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Role, Team, User
from agents.models import Agent
from tasks.call_digest import digest
from tasks.models import Artifact, HumanRequest, Run, RunStatus
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, StoredFileFactory
from tests.html import Page

Ask = Callable[..., HumanRequest]


@pytest.fixture
def ana(team: Team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def ask(team: Team, ana: Agent, bob: User) -> Ask:
    def make(to: str = "kim@example.com", **more: Any) -> HumanRequest:
        agent, tool = more.pop("agent", ana), more.pop("tool", "email_report")
        by = more.pop("by", bob)
        arguments = {"to": to, "subject": f"For {to}", "body": "Hello\n\n<b>all</b> is well."} | more.pop("more", {})
        run = RunFactory(agent=agent, status=RunStatus.WAITING, waiting_kind="approval", created_by=by)
        call = {"tool": tool, "arguments": arguments, "digest": digest(tool, arguments), "call_id": "c1"}
        asked: HumanRequest = HumanRequestFactory(run=run, kind="approval", title=f"Email {to}", **call, **more)
        return asked

    return make


def url() -> str:
    return reverse("tasks:requests_answer", args=["acme"])


def show(client: Client, *chosen: HumanRequest) -> Any:
    return client.get(url(), {"request": [str(asked.pk) for asked in chosen]})


def decide(client: Client, *chosen: HumanRequest, decision: str = "approve", **more: Any) -> Any:
    body = {"request": [str(asked.pk) for asked in chosen], "decision": decision, "form_key": "k1"}
    return client.post(url(), body | {f"digest:{asked.pk}": asked.digest for asked in chosen} | more, follow=True)


def states(*chosen: HumanRequest) -> list[str]:
    return [HumanRequest.objects.get(pk=asked.pk).status for asked in chosen]


def test_each_email_is_shown_whole_before_anything_is_sent(as_alice: Client, ask: Ask) -> None:
    first = ask("kim@example.com", more={"attachments": ["report.md", "gone.pdf"]})
    Artifact.objects.create(team=first.team, run=first.run, path="report.md", file=StoredFileFactory(team=first.team))
    other = ask("lee\u202e@example.com")

    page = Page(show(as_alice, first, other).text)

    assert "Send 2 emails?" in page.text
    for words in (
        "kim@example.com",
        "lee\\u202e@example.com",
        "For kim@example.com",
        "<b>all</b> is well.",
        "gone.pdf",
    ):
        assert words in page.text
    assert "Not among the files of the run" in page.text
    made = Artifact.objects.get()
    link = reverse("tasks:artifact_detail", args=["acme", first.run_id, made.pk])
    assert link in [tag.get("href") for tag in page.all("a")]
    assert page.problems() == []
    assert states(first, other) == ["open", "open"]


@pytest.mark.promise("G13")
@pytest.mark.parametrize(("decision", "said"), [("approve", "3 allowed."), ("reject", "3 refused.")])
def test_each_is_decided_once_in_its_own_name(
    as_alice: Client, alice: User, ask: Ask, decision: str, said: str
) -> None:
    chosen = [ask(f"p{n}@example.com") for n in range(3)]
    left = ask("left@example.com")

    response = decide(as_alice, *chosen, decision=decision)
    again = decide(as_alice, *chosen, decision=decision)

    assert said in Page(response.text).text
    assert again.status_code == 200
    for asked in chosen:
        asked.refresh_from_db()
        assert (asked.status, asked.answered_by, asked.answer["decision"]) == ("answered", alice, decision)
        assert Run.objects.get(pk=asked.run_id).status == "queued"
    assert AuditEntry.objects.filter(action="approval.answered").count() == 3
    assert states(left) == ["open"]


@pytest.mark.promise("G13")
def test_what_became_of_each_is_told(as_alice: Client, bob: User, ask: Ask) -> None:
    fine, changed, answered, expired = (ask(f"p{n}@example.com") for n in range(4))
    HumanRequest.objects.filter(pk=answered.pk).update(status="answered", answered_by=bob, answered_at=timezone.now())
    HumanRequest.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    response = decide(as_alice, fine, changed, answered, expired, **{f"digest:{changed.pk}": "sha256:other"})

    text = Page(response.text).text
    assert "1 allowed, 3 not." in text
    assert "Email p1@example.com: Another call was shown to you" in text
    assert "Email p2@example.com: It was already answered by Bob." in text
    assert "Email p3@example.com: This request has expired" in text
    assert states(fine, changed, answered, expired) == ["answered", "open", "answered", "open"]
    assert HumanRequest.objects.get(pk=changed.pk).answer is None


@pytest.mark.promise("G13")
def test_without_the_digest_that_was_shown_nothing_is_allowed(as_alice: Client, ask: Ask) -> None:
    asked = ask()

    response = as_alice.post(url(), {"request": str(asked.pk), "decision": "approve"}, follow=True)

    assert "0 allowed, 1 not." in Page(response.text).text
    assert states(asked) == ["open"]


@pytest.mark.promise("G20")
def test_who_may_not_decide_about_one_decides_about_the_others(
    as_alice: Client, alice: User, team: Team, ask: Ask
) -> None:
    careful = AgentFactory(team=team, name="Cy", version__options={"four_eyes": True})
    own, theirs = ask("own@example.com", agent=careful, by=alice), ask("theirs@example.com", agent=careful)

    page = Page(show(as_alice, own, theirs).text)
    response = decide(as_alice, own, theirs)

    assert "Send 1 email?" in page.text
    assert "You started this run. Somebody else has to decide about this call." in page.text
    assert f"digest:{own.pk}" not in [tag.get("name") for tag in page.all("input")]
    assert "1 allowed, 1 not." in Page(response.text).text
    assert states(own, theirs) == ["open", "answered"]


def test_calls_of_two_agents_or_tools_are_not_decided_together(as_alice: Client, team: Team, ask: Ask) -> None:
    for other in (ask(agent=AgentFactory(team=team)), ask(tool="write_file")):
        first = ask()
        response = decide(as_alice, first, other)
        assert (response.status_code, "one agent and one tool" in response.text) == (422, True)
        assert states(first, other) == ["open", "open"]


@pytest.mark.promise("G16")
def test_one_of_another_team_makes_all_unknown(as_alice: Client, other_team: Team, ask: Ask) -> None:
    mine, theirs = ask(), ask(agent=AgentFactory(team=other_team))
    for response in (show(as_alice, mine, theirs), decide(as_alice, mine, theirs)):
        assert response.status_code == 404
    assert as_alice.get(url(), {"request": "x"}).status_code == 404
    assert states(mine, theirs) == ["open", "open"]


def test_questions_are_not_allowed_in_bulk(as_alice: Client, ask: Ask, ana: Agent) -> None:
    run = RunFactory(agent=ana, status=RunStatus.WAITING, waiting_kind="question")
    question = HumanRequestFactory(run=run)

    assert decide(as_alice, ask(), question).status_code == 404


def test_a_viewer_decides_nothing(team: Team, ask: Ask) -> None:
    viewer = Client()
    viewer.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    asked = ask()

    assert (show(viewer, asked).status_code, decide(viewer, asked).status_code) == (403, 403)
    assert states(asked) == ["open"]


def test_nothing_selected_says_what_to_do(as_alice: Client, team: Team) -> None:
    assert "Select approvals in the inbox first." in show(as_alice).text
    assert "Select approvals in the inbox first." in decide(as_alice).text
