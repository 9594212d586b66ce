"""List of the inbox: order, pages, counts, filters, and the way to the next request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from agents.models import Agent
from tasks.models import HumanRequest, Run, RunStatus
from tasks.reports import inbox
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.html import Page

HX = {"HX-Request": "true"}


@pytest.fixture
def ana(team: Team) -> Agent:
    return AgentFactory(team=team, name="Ana")


def ask(agent: Agent, title: str, *, minutes: float | None = None, kind: str = "question", **more: Any) -> HumanRequest:
    run = RunFactory(
        agent=agent,
        title=f"Run of {title}",
        status=RunStatus.NEEDS_REVIEW if kind == "review" else RunStatus.WAITING,
        waiting_kind="" if kind == "review" else kind,
        created_by=more.pop("by", None),
    )
    expires_at = timezone.now() + timedelta(minutes=minutes) if minutes is not None else None
    return HumanRequestFactory(run=run, kind=kind, title=title, expires_at=expires_at, **more)


def url(asked: HumanRequest | None = None) -> str:
    if asked is None:
        return reverse("tasks:inbox", args=["acme"])
    return reverse("tasks:request_detail", args=["acme", asked.pk])


def titles(response: Any) -> list[str]:
    return [line["row"].title for line in response.context["lines"]]


def walk(client: Client, **query: str) -> Iterator[list[str]]:
    """Yield the titles of each page, following its link to the next one."""
    while True:
        response = client.get(url(), query)
        yield titles(response)
        if response.context["inbox"].later is None:
            return
        query["after"] = str(response.context["inbox"].later)


def test_what_ends_first_stands_first_and_what_has_no_end_last(as_alice: Client, ana: Agent) -> None:
    ask(ana, "none old")
    ask(ana, "tomorrow", minutes=30 * 60)
    ask(ana, "soon", minutes=20)
    ask(ana, "none new")
    ask(ana, "today", minutes=300)

    response = as_alice.get(url())

    assert titles(response) == ["soon", "today", "tomorrow", "none old", "none new"]
    assert response.context["asked"].title == "soon"
    lines = response.context["lines"]
    assert [(line["group_label"], line["group_count"]) for line in lines if "group" in line] == [
        ("Expires within the hour", 1),
        ("Within 24 hours", 1),
        ("Later", 3),
    ]


def test_no_request_is_out_of_reach(as_alice: Client, ana: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "PAGE", 4)
    made = [ask(ana, f"q{n}", minutes=None if n > 7 else 60 * (n // 2)) for n in range(11)]

    pages = list(walk(as_alice))

    assert [len(page) for page in pages] == [4, 4, 3]
    assert [title for page in pages for title in page] == [one.title for one in made]
    last = as_alice.get(url(), {"after": str(made[7].pk)}).context["inbox"]
    assert (last.start, last.end, last.total, last.earlier) == (8, 11, 11, made[3].pk)
    first = as_alice.get(url(), {"after": str(made[3].pk)}).context["inbox"]
    assert first.earlier == ""
    # Answered meanwhile, it still says where the next page begins.
    HumanRequest.objects.filter(pk=made[3].pk).update(status="answered", answered_at=timezone.now())
    assert titles(as_alice.get(url(), {"after": str(made[3].pk)}))[0] == "q4"


def test_counts_are_of_everything(
    as_alice: Client, alice: User, ana: Agent, other_team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAGE", 3)
    for n in range(7):
        ask(ana, f"q{n}", minutes=30, by=alice if n % 2 else None)
    ask(AgentFactory(team=other_team), "theirs", minutes=1)

    response = as_alice.get(url())

    assert response.context["counts"] == {"open": 7, "mine": 3}
    assert [line["group_count"] for line in response.context["lines"] if "group" in line] == [7]
    assert "1 of 7" in Page(response.text).text
    assert "theirs" not in response.text


def test_an_open_request_that_is_not_on_the_page_begins_one(
    as_alice: Client, ana: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAGE", 2)
    made = [ask(ana, f"q{n}", minutes=n + 1) for n in range(6)]

    response = as_alice.get(url(made[4]))

    assert titles(response) == ["q4", "q5"]
    assert (response.context["place"], response.context["inbox"].total) == (5, 6)
    assert response.context["previous"] == made[3]
    assert response.context["next"] == made[5]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"kind": "approval"}, ["Email kim"]),
        ({"kind": "nonsense"}, ["Email kim", "Which month?", "Which column?"]),
        ({"q": "which MONTH"}, ["Which month?"]),
        ({"q": "ana"}, ["Email kim", "Which month?"]),
        ({"q": "Run of Which"}, ["Which month?", "Which column?"]),
        ({"q": "%"}, []),
        ({"show": "mine"}, ["Which month?"]),
        ({"show": "mine", "kind": "approval"}, []),
        ({"agent": "ben"}, ["Which column?"]),
        ({"agent": "x"}, ["Email kim", "Which month?", "Which column?"]),
        ({"after": "x"}, ["Email kim", "Which month?", "Which column?"]),
    ],
)
def test_filters(
    as_alice: Client, alice: User, team: Team, ana: Agent, query: dict[str, str], found: list[str]
) -> None:
    ben = AgentFactory(team=team, name="Ben")
    ask(ana, "Email kim", minutes=1, kind="approval", tool="email_report", arguments={})
    ask(ana, "Which month?", minutes=2, by=alice)
    ask(ben, "Which column?", minutes=3)
    if query.get("agent") == "ben":
        query = query | {"agent": str(ben.pk)}

    assert titles(as_alice.get(url(), query)) == found


def test_a_filter_that_finds_nothing_says_so_and_can_be_cleared(as_alice: Client, ana: Agent) -> None:
    ask(ana, "Which month?")

    page = Page(as_alice.get(url(), {"q": "zebra"}).text)

    assert "No requests match these filters." in page.text
    assert url() in [link.get("href") for link in page.all("a") if link.get("href") == url()]


def test_answered_ones_stand_by_when_they_were_closed(as_alice: Client, ana: Agent) -> None:
    now = timezone.now()
    for title, ago in (("first", 3), ("second", 1), ("void", None)):
        asked = ask(ana, title, asked_at=now - timedelta(minutes=2))
        closed = {"status": "answered", "answered_at": now - timedelta(minutes=ago)} if ago else {"status": "void"}
        HumanRequest.objects.filter(pk=asked.pk).update(**closed)

    assert titles(as_alice.get(url(), {"show": "done"})) == ["second", "void", "first"]


def answer(client: Client, asked: HumanRequest, *, htmx: bool, **body: str) -> Any:
    address = reverse("tasks:request_answer", args=["acme", asked.pk])
    return client.post(address, {"from": "inbox"} | body, headers=HX if htmx else {})


@pytest.mark.parametrize("htmx", [True, False])
def test_an_answer_leads_to_the_next_request_of_the_same_list(as_alice: Client, ana: Agent, htmx: bool) -> None:
    made = [ask(ana, f"Which {n}?", minutes=n + 1) for n in range(3)]
    ask(ana, "Email kim", minutes=1.5, kind="approval")
    back = {"back": "q=Which"}

    def where(asked: HumanRequest) -> str:
        response = answer(as_alice, asked, htmx=htmx, text="May", **back)
        return str(response["HX-Redirect"] if htmx else response["Location"])

    assert where(made[1]) == f"{url(made[2])}?q=Which"
    assert where(made[2]) == f"{url(made[0])}?q=Which"
    assert where(made[0]) == f"{url()}?q=Which"
    assert "Answered: Which 0?" in Page(as_alice.get(f"{url()}?q=Which").text).text
    assert Run.objects.filter(status="queued").count() == 3


def test_a_refused_answer_stays_where_it_is(as_alice: Client, ana: Agent) -> None:
    asked = ask(ana, "Which month?")
    ask(ana, "Another")

    response = answer(as_alice, asked, htmx=True, text=" ", back="q=Which")

    assert (response.status_code, "HX-Redirect" in response) == (422, False)
    assert {"type": "hidden", "name": "back", "value": "q=Which"} in Page(response.text).all("input")


@pytest.mark.parametrize("back", ["//evil.test", "show=done&next=https://evil.test", "a" * 5000, "q=\x00"])
def test_the_way_back_never_leads_outside(as_alice: Client, ana: Agent, back: str) -> None:
    response = answer(as_alice, ask(ana, "Which?"), htmx=False, text="May", back=back)

    assert response["Location"].startswith("/t/acme/")
    assert "evil" not in response["Location"]
