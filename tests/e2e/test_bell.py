"""Bell in a real browser. It changes without a reload when somebody else's run needs this person."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Membership, Notification, Role, Team, User
from billing.models import Budget
from tasks import event_log
from tasks.models import Run
from tasks.services import answers, notices
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory

Open = Callable[..., Page]
HEARD = """
heard = [];
WebSocket = class extends WebSocket {
  constructor(address) {
    super(address);
    const number = heard.push(0) - 1;
    this.addEventListener("message", () => { heard[number] += 1; });
  }
};
"""
"""Counts what each socket of the page hears."""


@pytest.mark.parametrize("look", [{}, {"phone": True, "dark": True}], ids=["desk", "phone"])
def test_the_bell_rings_and_falls_silent_by_itself(
    open_page: Open, shot: Callable[..., None], team: Team, alice: User, bob: User, look: dict[str, bool]
) -> None:
    page = open_page(alice, **look)
    page.goto("/t/acme/settings/notifications/")
    bell, count = page.locator("[data-bell]"), page.locator("[data-bell-count]")
    expect(page.locator("h1")).to_be_visible()
    expect(count).to_have_text("")
    agent = AgentFactory(team=team, name="Ana")
    run = RunFactory(agent=agent, status="waiting", waiting_kind="question", created_by=alice, title="Refunds in May")
    asked = HumanRequestFactory(run=run, title="Which column holds the refund?")
    ended = {"status": "failed", "finished_at": run.created_at, "error_detail": "The model refused."}
    failed = RunFactory(agent=agent, created_by=alice, title="Stock", **ended)

    notices.notify_pending()

    expect(count).to_have_text("2 unread")
    bell.locator("summary").click()
    expect(bell.get_by_role("button", name="Ana has a question")).to_be_visible()
    shot(page, f"bell-{'phone' if look else 'desk'}", whole=False)

    answers.answer_request(asked=asked, actor=bob, answer={"value": "refunded"})  # somebody else answered first

    expect(count).to_have_text("1 unread")
    expect(bell.get_by_role("button", name="Ana has a question")).to_contain_text("done")
    page.evaluate("() => { swapped = 0; addEventListener('htmx:finally:request', () => { swapped += 1; }); }")
    bell.get_by_role("button", name="Mark all read").click()
    expect(count).to_have_text("")
    page.wait_for_function("() => swapped >= 2")  # the click's request, and that of the silent bell
    assert Notification.objects.filter(read_at=None).exists() is False
    bell.get_by_role("button", name="Ana could not finish").click()
    page.wait_for_url(f"**/runs/{failed.pk}/")


def test_the_bell_of_the_billing_role_rings_for_money(open_page: Open, team: Team, bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.BILLING)
    page = open_page(bob)
    page.goto("/t/acme/settings/plan/")
    count = page.locator("[data-bell-count]")
    expect(count).to_have_text("")
    spent = {"limit_usd": 10, "spent_usd": 8, "period": timezone.now().date().replace(day=1)}
    Budget.objects.create(team=team, warned_at=timezone.now(), **spent)

    notices.notify_pending()

    expect(count).to_have_text("1 unread")
    page.locator("[data-bell] summary").click()
    page.get_by_role("button", name="Acme has spent 80% of its budget").click()
    expect(page).to_have_url(re.compile("/t/acme/settings/budgets/$"))
    expect(count).to_have_text("")


@pytest.mark.parametrize(("before", "after"), [(Role.MEMBER, Role.BILLING), (Role.BILLING, Role.MEMBER)])
def test_the_feed_goes_on_when_the_role_changes_to_or_from_billing(
    open_page: Open, team: Team, bob: User, before: Role, after: Role
) -> None:
    Membership.objects.filter(user=bob).update(role=before)
    page = open_page(bob)
    page.add_init_script(HEARD)
    page.goto("/t/acme/settings/plan/")
    page.wait_for_function("() => heard[0] > 0")

    Membership.objects.filter(user=bob).update(role=after)

    page.wait_for_function("() => heard[1] > 0", timeout=60_000)


def test_the_sign_that_runs_are_in_progress_comes_and_goes_by_itself(open_page: Open, team: Team, bob: User) -> None:
    page = open_page(bob)
    page.goto("/t/acme/settings/notifications/")
    sign = page.locator("#sidebar .live")
    expect(page.locator("[data-feed-text]")).to_have_text("Live")
    expect(sign).to_be_hidden()
    run = RunFactory(agent=AgentFactory(team=team), created_by=bob)

    for status, lease in (("running", timezone.now()), ("queued", None)):
        Run.objects.filter(pk=run.pk).update(status=status, lease_expires_at=lease)
        event_log.announce(run, status=status)

        expect(sign).to_be_visible(visible=status == "running")


def test_the_pages_of_notifications(open_page: Open, shot: Callable[..., None], team: Team, alice: User) -> None:
    page = open_page(alice)
    page.goto("/t/acme/notifications/")
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    page.goto("/t/acme/settings/notifications/")
    page.get_by_role("switch", name="A run of yours failed: Email").click()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Your choices are saved")).to_be_visible()

    expect(page.get_by_role("switch", name="A run of yours failed: Email")).not_to_be_checked()
    alice.refresh_from_db()
    assert alice.notice_channels["failed"] == ["app"]
