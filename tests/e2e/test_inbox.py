"""Inbox of a busy team in a browser: at three widths, and by its keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from tasks.call_digest import digest
from tasks.models import Artifact, HumanRequest, RunStatus
from tests.e2e.test_accessibility import complaints
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory, StoredFileFactory

Open = Callable[..., Page]
WIDTHS = {"1440": (1440, 900), "1024": (1024, 768), "390": (390, 844)}
LONG = "Compare_" + "every_supplier_of_the_last_three_quarters_" * 4
TOO_WIDE = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
HIDDEN = """() => [...document.querySelectorAll(".askrow a, .askrow input, .triage-filters *, .review-main button")]
    .filter((e) => e.offsetParent && !e.closest(".sr-only") && !e.matches(".sr-only"))
    .filter((e) => { const r = e.getBoundingClientRect(); return r.right > innerWidth + 1 || r.left < -1; })
    .map((e) => e.outerHTML.slice(0, 80))"""


@pytest.fixture
def ana(team) -> Any:
    return AgentFactory(team=team, name="Ana", hue="teal", icon="chart-column")


def ask(agent: Any, by: Any, title: str, kind: str, minutes: int, **more: Any) -> HumanRequest:
    run = RunFactory(
        agent=agent, created_by=by, title=more.pop("run_title", "What drives refunds?"),
        status=RunStatus.WAITING, waiting_kind=kind,
    )  # fmt: skip
    due = timezone.now() + timedelta(minutes=minutes)
    asked: HumanRequest = HumanRequestFactory(run=run, kind=kind, title=title[:200], expires_at=due, **more)
    return asked


def mail(agent: Any, by: Any, to: str, minutes: int, **more: Any) -> HumanRequest:
    arguments = {"to": [to], "subject": "Refunds in May", "body": f"Hello {to},\n\nall is well.\n\nBest, Ana"}
    arguments |= more.pop("arguments", {})
    call = {"tool": "email_report", "arguments": arguments, "digest": digest("email_report", arguments)}
    return ask(agent, by, f"Email {to}: Refunds in May", "approval", minutes, call_id="c1", **call, **more)


@pytest.fixture
def busy(ana, alice, bob) -> list[HumanRequest]:
    """Make sixty requests, first to expire first: emails, questions, long names."""
    other = AgentFactory(team=ana.team, name=LONG[:79])
    made = []
    for n in range(20):
        files = {"attachments": ["report.md", "gone.pdf"]}
        made.append(mail(ana, bob, f"p{n}@example.com", 10 + 90 * n * n, arguments=files))
        question = {"choices": ["refunded", "refund_usd", LONG[:150]]}
        made.append(ask(other, alice, "Which column should I measure?", "question", 11 + 90 * n * n, **question))
        made.append(ask(ana, bob, LONG, "question", 12 + 90 * n * n, run_title=LONG[:160]))
    file = StoredFileFactory(team=ana.team)
    Artifact.objects.create(team=ana.team, run=made[0].run, path="report.md", file=file)
    return made


def sized(open_page: Open, person: Any, width: str, *, dark: bool = False) -> Page:
    page = open_page(person, phone=width == "390", dark=dark)
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    return page


def inbox() -> str:
    return reverse("tasks:inbox", args=["acme"])


def detail(asked: HumanRequest) -> str:
    return reverse("tasks:request_detail", args=["acme", asked.pk])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_busy_inbox_fits_every_width(open_page: Open, shot, alice, busy, width) -> None:
    for dark in (False, True):
        page = sized(open_page, alice, width, dark=dark)
        page.goto(inbox())
        expect(page.locator(".asks-group").first).to_contain_text("Expires within the hour")
        expect(page.locator(".askrow")).to_have_count(50)
        assert (page.evaluate(TOO_WIDE), page.evaluate(HIDDEN)) == (0, [])
        shot(page, f"inbox-busy-{width}{'-dark' if dark else ''}", whole=False)
        page.goto(detail(busy[0]))
        expect(page.locator(".mail")).to_contain_text("p0@example.com")
        assert (page.evaluate(TOO_WIDE), page.evaluate(HIDDEN)) == (0, [])
        shot(page, f"inbox-mail-{width}{'-dark' if dark else ''}", whole=False)


def test_keys_go_through_the_requests_and_answer_them(open_page: Open, alice, busy) -> None:
    page = sized(open_page, alice, "1440")
    page.goto(inbox())
    keys = page.keyboard
    expect(page.locator(".inbox-head")).to_contain_text("1 of 60")
    for key, place in (("j", "2 of 60"), ("j", "3 of 60"), ("k", "2 of 60"), ("k", "1 of 60")):
        keys.press(key)
        expect(page.locator(".inbox-head")).to_contain_text(place)
        page.wait_for_load_state()  # the keys work
    expect(page.locator(".askrow[data-open]")).to_contain_text("Email p0@example.com")

    keys.press("a")
    expect(page.locator(".inbox-head")).to_contain_text("1 of 59")
    expect(page.locator(".toast")).to_contain_text("Allowed: Email p0@example.com")
    expect(page.locator(".review-main h2").first).to_have_text("Which column should I measure?")
    page.wait_for_load_state()
    keys.press("2")
    expect(page.locator(".inbox-head")).to_contain_text("1 of 58")

    busy[0].refresh_from_db()
    busy[1].refresh_from_db()
    assert (busy[0].answer["decision"], busy[1].answer) == ("approve", {"value": "refund_usd"})
    assert HumanRequest.objects.open().count() == 58


def test_keys_typed_into_the_search_answer_nothing(open_page: Open, alice, busy) -> None:
    page = sized(open_page, alice, "1440")
    page.goto(inbox())
    page.keyboard.press("/")
    page.keyboard.type("p7@ajkx1d")

    expect(page.get_by_role("searchbox")).to_have_value("p7@ajkx1d")
    page.get_by_role("searchbox").fill("p7@example")
    page.keyboard.press("Enter")
    expect(page.locator(".askrow")).to_have_count(1)
    assert HumanRequest.objects.open().count() == 60


@pytest.mark.parametrize("width", WIDTHS)
def test_many_are_allowed_after_they_were_seen_whole(open_page: Open, shot, alice, busy, width) -> None:
    page = sized(open_page, alice, width)
    page.goto(f"{inbox()}?kind=approval")
    for n in range(3):
        page.get_by_label(f"Select Email p{n}@example.com: Refunds in May").check()
    expect(page.locator(".bulkbar")).to_contain_text("3 chosen")
    page.get_by_role("button", name="Review and decide…").click()

    expect(page.get_by_role("heading", name="Send 3 emails?")).to_be_visible()
    expect(page.locator(".mail")).to_have_count(3)
    page.get_by_label("Email p1@example.com: Refunds in May").uncheck()
    button = page.get_by_role("button", name="Send 2 emails")
    expect(button).to_be_visible()
    assert page.evaluate(TOO_WIDE) == 0
    shot(page, f"inbox-bulk-{width}", whole=False)
    button.click()

    expect(page.locator(".toast")).to_contain_text("2 allowed.")
    open_ = set(HumanRequest.objects.open().values_list("pk", flat=True))
    assert [busy[n].pk in open_ for n in (0, 3, 6)] == [False, True, False]
    assert len(open_) == 58


@pytest.mark.parametrize("width", WIDTHS)
def test_a_question_with_parts_is_a_form(open_page: Open, shot, alice, ana, width) -> None:
    schema = {
        "type": "object",
        "properties": {
            "method": {"title": "How to refund", "enum": ["card", "voucher"]},
            "amount": {"type": "number", "minimum": 0, "maximum": 500},
            "until": {"type": "string", "format": "date"},
            "note": {"type": "string"},
        },
        "required": ["method", "amount"],
    }
    asked = ask(ana, alice, "What may I refund?", "question", 90, schema=schema)
    page = sized(open_page, alice, width)
    page.goto(detail(asked))
    page.get_by_label("Amount").fill("501")
    page.get_by_role("button", name="Send answer").click()
    expect(page.get_by_text("How to refund is needed.")).to_be_visible()
    expect(page.get_by_text("Amount: from 0 to 500.")).to_be_visible()
    assert page.evaluate(TOO_WIDE) == 0
    shot(page, f"inbox-question-{width}", whole=False)
    page.get_by_text("voucher", exact=True).click()
    page.get_by_label("Amount").fill("12.5")
    page.get_by_role("button", name="Send answer").click()

    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    asked.refresh_from_db()
    assert asked.answer == {"value": {"method": "voucher", "amount": 12.5}}


def test_a_busy_inbox_has_no_serious_violation(open_page: Open, alice, busy) -> None:
    page = open_page(alice)
    chosen = "&".join(f"request={asked.pk}" for asked in (busy[0], busy[3]))
    places = (inbox(), detail(busy[0]), detail(busy[1]), f"{reverse('tasks:requests_answer', args=['acme'])}?{chosen}")

    assert [what for place in places for what in complaints(page, place)] == []
