"""Edited approvals in a real browser. What is sent is what the person sees, whichever way they confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from tasks import event_log, events
from tasks.call_digest import digest
from tasks.models import HumanRequest, Run, RunStatus
from tests.factories import AgentFactory, RunFactory

pytestmark = pytest.mark.promise("G21")
Open = Callable[..., Page]
TOOL = "email_report"
ASKED = {
    "to": ["kim@example.com"],
    "subject": "Refunds in May",
    "body": "Hello Kim,\n\nall is well.\n" + "More.\n" * 30,
}
EDITED = ASKED | {"to": ["lee@example.com"], "subject": "Refunds in June"}
WIDTHS = {"1280": (1280, 800), "1440": (1440, 900), "390": (390, 844)}


@pytest.fixture
def asked(team, alice) -> HumanRequest:
    run = RunFactory(
        agent=AgentFactory(team=team, name="Ana"),
        created_by=alice,
        title="Send the refunds",
        status=RunStatus.WAITING,
        waiting_kind="approval",
    )
    call = {"tool": TOOL, "arguments": ASKED, "digest": digest(TOOL, ASKED), "call_id": "c1"}
    return HumanRequest.objects.create(team=team, run=run, kind="approval", title="Email kim@example.com", **call)


@pytest.fixture(params=["run", "inbox"])
def place(request: pytest.FixtureRequest, asked: HumanRequest) -> str:
    if request.param == "run":
        return reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": asked.run_id})
    return reverse("tasks:request_detail", kwargs={"team": "acme", "request_id": asked.pk})


@pytest.fixture(params=WIDTHS)
def card(request: pytest.FixtureRequest, open_page: Open, alice, place: str) -> Locator:
    """Open approval on its page, at each of the widths."""
    return opened(open_page, alice, place, request.param)


def opened(open_page: Open, person: Any, place: str, width: str = "1280", **more: Any) -> Locator:
    page = open_page(person, phone=width == "390", **more)
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    page.goto(place)
    if "/runs/" in place and more.get("scripts", True):  # the page has read the newest state, and moves no more
        expect(page.locator("#run-connection")).to_contain_text("Live")
    return page.locator("[data-kind=approval]")


def edit(card: Locator) -> None:
    card.get_by_text("Edit the request").click()
    card.get_by_label("To", exact=True).fill('["lee@example.com"]')
    card.get_by_label("Subject", exact=True).fill("Refunds in June")


def expect_closed(card: Locator) -> None:
    """Wait until the card is gone from the page of the run, soon after the answer."""
    expect(card.page.locator("[data-kind=approval][data-status=open]")).to_have_count(0)


def answer_of(asked: HumanRequest) -> dict[str, Any]:
    asked.refresh_from_db()
    return asked.answer or {}


def assert_sent(asked: HumanRequest, arguments: dict[str, Any]) -> None:
    answer = answer_of(asked)
    assert (answer["decision"], answer["arguments"]) == ("edit", arguments)
    assert answer["digest"] == digest(TOOL, arguments)
    assert Run.objects.get(pk=asked.run_id).events.filter(type="human.answered").count() == 1


def in_view(button: Locator) -> bool:
    """Return True if a click on the button's middle presses it, and nothing covers it."""
    script = """b => { const r = b.getBoundingClientRect();
        return b.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)); }"""
    return bool(button.evaluate(script))


def test_an_edit_has_one_primary_action_in_reach_and_it_sends_the_edit(card: Locator, asked: HumanRequest) -> None:
    edit(card)

    primary = card.locator(".btn-primary:visible")
    expect(primary).to_have_count(1)
    expect(primary).to_have_text("Allow with these changes")
    assert in_view(primary)
    expect(card.locator("[name=decision][value=approve]")).to_have_count(0)
    expect(card.get_by_text("Refunds in May")).to_have_count(0)
    primary.click()

    expect_closed(card)
    assert_sent(asked, EDITED)


def test_the_changes_are_shown_and_sent_by_their_key(card: Locator, asked: HumanRequest) -> None:
    edit(card)
    card.get_by_role("button", name="Show changes").click()

    expect(card.get_by_text("You changed the recipients and the subject.")).to_be_visible()
    expect(card.locator("del")).to_have_text(['["kim@example.com"]', "Refunds in May"])
    expect(card.locator("ins")).to_have_text(['["lee@example.com"]', "Refunds in June"])
    expect(card.locator(".btn-primary:visible")).to_contain_text("Allow with these changes")
    assert in_view(card.locator(".btn-primary"))
    card.page.keyboard.press("e")
    expect(card.get_by_label("Subject", exact=True)).to_have_value("Refunds in June")
    card.get_by_role("button", name="Show changes").click()
    expect(card.locator("h2")).to_be_focused()
    card.page.keyboard.press("Enter")
    assert answer_of(asked) == {}
    card.page.keyboard.press("a")

    expect_closed(card)
    assert_sent(asked, EDITED)


@pytest.fixture
def desk_card(open_page: Open, alice, place: str) -> Locator:
    return opened(open_page, alice, place)


def test_keys_in_an_edit_never_send_the_original(desk_card: Locator, asked: HumanRequest) -> None:
    card, keys = desk_card, desk_card.page.keyboard
    keys.press("e")
    expect(card.get_by_label("To", exact=True)).to_be_focused()
    keys.press("Enter")
    keys.press("Control+Enter")
    assert answer_of(asked) == {}
    card.get_by_label("Subject", exact=True).press("End")
    keys.press("a")
    card.locator("h2").click()
    keys.press("a")

    expect_closed(card)
    assert_sent(asked, ASKED | {"subject": "Refunds in Maya"})


def test_the_second_click_of_a_double_click_decides_nothing(desk_card: Locator, asked: HumanRequest) -> None:
    card = desk_card
    card.get_by_role("button", name="Edit the request").dblclick()
    expect(card.get_by_label("To", exact=True)).to_be_focused()
    card.get_by_label("Subject", exact=True).fill("Refunds in June")
    card.get_by_role("button", name="Show changes").dblclick()
    expect(card.locator("del")).to_have_text("Refunds in May")
    expect(card.locator("h2")).to_be_focused()  # the card is in place, and does not move under the pointer any more
    assert answer_of(asked) == {}
    card.get_by_role("button", name="Back to Ana").dblclick()
    expect(card.get_by_role("button", name="Edit the request")).to_be_focused()
    assert answer_of(asked) == {}

    edit(card)
    card.get_by_role("button", name="Allow with these changes").dblclick()
    expect_closed(card)
    assert_sent(asked, EDITED)


def test_a_second_press_on_the_next_card_leaves_the_focus(desk_card: Locator, asked: HumanRequest) -> None:
    card, mouse = desk_card, desk_card.page.mouse
    edit(card)
    card.get_by_role("button", name="Show changes").click()
    expect(card.locator("del")).to_have_count(2)
    expect(card.locator("h2")).to_be_focused()
    card.get_by_role("button", name="Back to Ana").hover()
    mouse.down()
    mouse.up()
    expect(card.get_by_role("button", name="Edit the request")).to_be_focused()
    mouse.down(click_count=2)
    mouse.up(click_count=2)

    expect(card.get_by_role("button", name="Edit the request")).to_be_focused()
    assert answer_of(asked) == {}


def test_news_of_the_run_leave_an_edit_alone(open_page: Open, alice, asked: HumanRequest) -> None:
    card = opened(open_page, alice, reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": asked.run_id}))
    expect(card.page.locator("#run-connection")).to_contain_text("Live")
    edit(card)

    with card.page.expect_response("**/state/") as answer:
        event_log.append(asked.run, events.RunQueued(reason="handover"), events.RunWaiting(kind="approval"))
    answer.value.finished()
    expect(card.page.locator("#run-activity")).to_contain_text("Handed over to another worker")
    card.page.evaluate("() => new Promise(requestAnimationFrame)")

    expect(card.get_by_label("Subject", exact=True)).to_have_value("Refunds in June")
    card.locator(".btn-primary").click()
    expect_closed(card)
    assert_sent(asked, EDITED)


def test_after_going_back_what_is_seen_is_what_is_sent(desk_card: Locator, asked: HumanRequest) -> None:
    card = desk_card
    edit(card)
    card.page.goto("/t/acme/agents/")
    card.page.go_back()

    subject = card.get_by_label("Subject", exact=True)
    is_edit = subject.count() == 1
    shown = subject.input_value() if is_edit else card.locator(".mail").inner_text()
    primary = card.locator(".btn-primary:visible")
    expect(primary).to_have_count(1)
    primary.click()

    expect_closed(card)
    sent = answer_of(asked).get("arguments", ASKED) if answer_of(asked)["decision"] == "edit" else ASKED
    assert sent["subject"] in shown
    assert is_edit is (answer_of(asked)["decision"] == "edit")


def test_without_scripts_an_edit_is_made_shown_and_sent(
    open_page: Open, alice, place: str, asked: HumanRequest
) -> None:
    card = opened(open_page, alice, place, scripts=False)
    edit(card)
    card.get_by_label("Subject", exact=True).press("Enter")
    assert answer_of(asked) == {}
    expect(card.locator("[name=decision][value=approve]")).to_have_count(0)
    card.get_by_role("button", name="Show changes").click()
    expect(card.locator("ins")).to_have_text(['["lee@example.com"]', "Refunds in June"])
    card.get_by_role("button", name="Allow with these changes").click()

    expect_closed(card)
    assert_sent(asked, EDITED)
