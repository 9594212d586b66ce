"""Messages to a live run in a real browser.

By keyboard, beside a question, at the end of a run, and without scripts.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tasks import event_log, events
from tasks.models import RunStatus
from tests.e2e.test_run_live import ask, move, path, run, say

__all__ = ["run"]
Open = Callable[..., Page]
LOOKS = pytest.mark.parametrize("look", [{}, {"dark": True}, {"phone": True}], ids=["light", "dark", "phone"])
COVERED = """async () => {
    const shown = document.querySelector(".toast");
    await Promise.all(shown.getAnimations().map((each) => each.finished));
    const toast = shown.getBoundingClientRect();
    const bar = document.querySelector(".topbar").getBoundingClientRect().bottom;
    const controls = document.querySelectorAll(".page :is(a, button, input, textarea, select), .tabbar a");
    return [...controls].filter((one) => {
        const it = one.getBoundingClientRect();
        const isBeside = it.right <= toast.left || it.left >= toast.right;
        return one.checkVisibility() && !isBeside && it.bottom > Math.max(toast.top, bar) && it.top < toast.bottom;
    }).map((one) => one.outerHTML);
}"""  # what has gone below the top bar is out of reach anyway


@pytest.fixture
def live(open_page: Open, alice, run):
    """Function that opens the run's page and waits until it is live."""

    def make(**look: bool) -> Page:
        page = open_page(alice, **look)
        page.goto(path(run))
        expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
        return page

    return make


def test_ctrl_enter_sends_once_and_the_message_is_in_the_activity(live, run):
    page = live()
    area = page.get_by_label("Message the agent")

    area.fill("Only May.")
    area.press("Enter")
    area.press_sequentially("In euros.")
    area.press("Control+Enter")

    expect(page.locator("#run-activity")).to_contain_text("Alice wrote")
    expect(area).to_have_value("")
    expect(area).to_be_focused()
    expect(page.locator("#run-announce")).to_have_text("Sent. The agent reads it with its next turn.")
    area.fill("And June.")
    page.get_by_role("button", name="Send", exact=True).dblclick()
    expect(page.locator("#run-activity")).to_contain_text("And June.")
    expect(area).to_have_value("")
    said = [one.data["text"] for one in run.events.filter(type="message").order_by("seq")]
    assert said == ["Only May.\nIn euros.", "And June."]


@LOOKS
def test_the_box_meets_neither_the_pill_nor_the_question(live, shot, run, look, request):
    say(run, *range(1, 60))
    page = live(**look)
    box, pill = page.locator("#run-say"), page.locator("#run-pill button")
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_function("() => scrollY === 0")
    say(run, 60)
    expect(pill).to_be_visible()
    shot(page, f"say-{request.node.callspec.id}", whole=False)
    bar, above = page.locator(".now-bar").bounding_box(), pill.bounding_box()
    assert above["y"] + above["height"] <= bar["y"]
    assert bar["y"] + bar["height"] <= box.bounding_box()["y"]

    ask(run, "Which column should I measure?", choices=["refunded", "refund_usd"])

    expect(page.locator("#run-dock .approval")).to_be_visible()
    expect(box).to_be_hidden()
    page.get_by_role("button", name="refunded", exact=True).click()
    expect(box).to_be_visible()


def test_on_a_phone_the_page_goes_on_right_below_the_box_and_the_box_stands_above_the_tabs(live, run):
    page = live(phone=True)
    box, rail, tabs = (page.locator(place) for place in (".say .composer", ".rail", ".tabbar"))
    gap = rail.bounding_box()["y"] - box.bounding_box()["y"] - box.bounding_box()["height"]
    assert 0 < gap < 45

    say(run, *range(1, 60))
    expect(page.locator("#run-activity")).to_contain_text("59")

    page.wait_for_function("() => scrollY > 0")
    below = tabs.bounding_box()["y"] - box.bounding_box()["y"] - box.bounding_box()["height"]
    assert 0 < below < 20


@pytest.mark.parametrize("look", [{}, {"phone": True}], ids=["desk", "phone"])
def test_a_toast_covers_nothing_that_can_be_pressed(live, shot, run, look, request):
    say(run, *range(1, 60))
    page = live(**look)
    toast = page.locator(".toast")

    expect(page.get_by_label("Message the agent")).to_be_in_viewport(ratio=1)
    page.locator("#run-details .copy-id").dispatch_event("click")
    expect(toast).to_be_visible()
    shot(page, f"toast-run-{request.node.callspec.id}", whole=False)
    assert page.evaluate(COVERED) == []

    page.goto("/t/acme/settings/team/")
    lowest = page.get_by_role("link", name="Delete team…")
    lowest.scroll_into_view_if_needed()
    place = lowest.bounding_box()
    page.set_viewport_size({"width": page.viewport_size["width"], "height": round(place["y"] + place["height"]) + 80})
    page.get_by_role("button", name="Rename the team").click()
    expect(toast).to_be_visible()
    lowest.scroll_into_view_if_needed()
    shot(page, f"toast-team-{request.node.callspec.id}", whole=False)
    assert page.evaluate(COVERED) == []


@LOOKS
def test_words_being_written_stay_when_the_run_asks_or_ends(live, shot, run, look, request):
    page = live(**look)
    area = page.get_by_label("Message the agent")
    area.fill("Leave out the")

    ask(run, "Which column?")
    expect(page.locator("#run-dock .approval")).to_be_visible()
    expect(area).to_be_focused()
    shot(page, f"say-asked-{request.node.callspec.id}", whole=False)
    move(run, RunStatus.SUCCEEDED, finished_at=timezone.now(), output="Done.")
    event_log.append(run, events.RunFinished(status="succeeded", active_s=1, cost_usd="0.060000"))

    expect(page.locator("#run-say")).to_contain_text("The run has ended and hears nothing more.")
    expect(area).to_have_value("Leave out the")
    shot(page, f"say-ended-{request.node.callspec.id}", whole=False)


def test_too_long_is_said_before_it_is_sent_and_a_draft_outlives_a_reload(live, run):
    page = live()
    area = page.get_by_label("Message the agent")

    area.fill("x" * 20_001)
    area.press("Control+Enter")

    assert area.evaluate("one => one.validationMessage").startswith("This is 20,001 characters long.")
    area.fill("Leave out the")
    page.reload()
    expect(area).to_have_value("Leave out the")
    area.press("Control+Enter")
    expect(area).to_have_value("")
    page.reload()
    expect(page.locator("#run-activity")).to_contain_text("Leave out the")
    expect(area).to_have_value("")
    assert run.events.filter(type="message").count() == 1


def test_without_javascript_it_is_sent_too(open_page: Open, alice, run):
    page = open_page(alice, scripts=False)
    page.goto(path(run))

    page.get_by_label("Message the agent").fill("Only May.")
    page.get_by_role("button", name="Send", exact=True).click()

    expect(page.locator("#run-activity")).to_contain_text("Only May.")
