"""Settings pages, used by people of two teams at the same time. Each has a browser of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page, expect

from accounts.models import ApiKey, AuditEntry, Invitation, Team, User
from tests.accounts.people import person
from tests.factories import PASSWORD

Open = Callable[..., Page]
PAGES = ("profile", "security", "notifications", "team", "members", "api-keys", "budgets", "plan", "audit")


class Somebody:
    """Person on the settings pages of their team."""

    def __init__(self, page: Page, user: User, word: str) -> None:
        self.page, self.user, self.word = page, user, word
        self.team: Team = user.teams.get()

    def sign_in(self) -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label("Email").fill(self.user.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(self.page).to_have_url(re.compile(f"/t/{self.team.slug}/"))

    def open(self, tab: str) -> None:
        """Open a settings page by its tab."""
        self.page.get_by_role("navigation", name="Settings").get_by_role("link", name=tab, exact=True).click()
        expect(self.page).to_have_title(f"{tab} · Deskhand")

    def save(self) -> None:
        self.page.get_by_role("button", name="Save changes").click()
        expect(self.page.get_by_role("button", name="Save changes")).to_be_hidden()


def profile(one: Somebody) -> None:
    one.page.goto(f"/t/{one.team.slug}/settings/")
    one.page.get_by_label("Name").fill(f"{one.word} Hopper")
    one.save()
    one.page.reload()
    expect(one.page.get_by_label("Name")).to_have_value(f"{one.word} Hopper")


def security(one: Somebody) -> None:
    one.open("Security")
    expect(one.page.get_by_text("This one")).to_be_visible()
    one.page.get_by_role("link", name="Change…").click()
    one.page.get_by_label("Current password").fill(PASSWORD)
    for field in ("New password", "Repeat the password"):
        one.page.get_by_label(field).fill(f"{one.word} tall ships sail")
    one.page.get_by_role("button", name="Save password").click()
    expect(one.page).to_have_title("Security · Deskhand")
    expect(one.page.get_by_text("This one")).to_be_visible()


def notifications(one: Somebody) -> None:
    one.open("Notifications")
    switch = one.page.get_by_role("switch").last
    was_on = switch.is_checked()
    switch.set_checked(not was_on, force=True)
    one.save()
    one.page.reload()
    expect(one.page.get_by_role("switch").last).to_be_checked(checked=not was_on)


def team(one: Somebody) -> None:
    one.open("Team")
    one.page.get_by_label("Name").fill(f"{one.word} Works")
    one.page.get_by_role("button", name="Rename the team").click()
    expect(one.page.get_by_role("main").get_by_text(f"{one.word} Works")).to_be_visible()


def members(one: Somebody) -> None:
    one.open("Members")
    friend = f"friend@{one.word.lower()}.example"
    one.page.get_by_label("Email address").fill(friend)
    one.page.get_by_role("button", name="Send invitation").click()
    expect(one.page.get_by_text(friend, exact=True)).to_be_visible()
    one.page.get_by_role("button", name="Revoke the invitation").click()
    expect(one.page.get_by_text("No open invitations")).to_be_visible()


def api_keys(one: Somebody) -> None:
    one.open("API keys")
    one.page.get_by_label("Name").fill(f"{one.word} scripts")
    one.page.get_by_role("button", name="Create key").click()
    expect(one.page.locator("[data-token]")).to_have_text(re.compile("^dh_"))
    one.page.reload()
    expect(one.page.locator("[data-token]")).to_have_count(0)
    one.page.get_by_role("link", name="Revoke…").click()
    one.page.get_by_role("button", name="Revoke key").click()
    expect(one.page.get_by_text("No keys yet")).to_be_visible()


def budgets(one: Somebody) -> None:
    one.open("Budgets")
    one.page.locator("[name=limit_usd]").fill("25")
    one.page.get_by_role("button", name="Save the limit of the team").click()
    expect(one.page.get_by_text("of $25.00")).to_be_visible()


def plan(one: Somebody) -> None:
    one.open("Plan")
    expect(one.page.get_by_role("heading", name="Your plan")).to_be_visible()


def audit(one: Somebody) -> None:
    one.open("Audit log")
    one.page.get_by_role("button", name="Verify").click()
    expect(one.page.get_by_text("unbroken")).to_be_visible()
    with one.page.expect_download() as download:
        one.page.get_by_role("link", name="Export").click()
    exported = download.value.path().read_text()
    assert exported.count("\n") == AuditEntry.objects.filter(team=one.team).count()


STEPS = (profile, security, notifications, team, members, api_keys, budgets, plan, audit)


def test_a_form_that_is_sent_offline_stays_as_it_was_typed(
    chromium: Browser, server: str, transactional_db: None
) -> None:
    """Send a form while offline. The browser is one of its own, because it logs the network error."""
    context = chromium.new_context(base_url=server)
    one = Somebody(context.new_page(), person("grace@example.com"), "Harbour")
    one.sign_in()
    one.page.goto(f"/t/{one.team.slug}/settings/team/")
    name, button = one.page.get_by_label("Name"), one.page.get_by_role("button", name="Rename the team")
    name.fill("Harbour Works")

    context.set_offline(True)
    button.click()
    expect(one.page.get_by_text("You are offline")).to_be_visible()
    expect(name).to_have_value("Harbour Works")
    assert Team.objects.get(pk=one.team.pk).name == one.team.name

    context.set_offline(False)
    button.click()
    expect(one.page.get_by_text("Harbour Works").first).to_be_visible()
    context.close()
    assert Team.objects.get(pk=one.team.pk).name == "Harbour Works"


def test_two_teams_work_through_all_settings_beside_each_other(open_page: Open, shot: Any) -> None:
    grace = Somebody(open_page(), person("grace@example.com"), "Harbour")
    linus = Somebody(open_page(phone=True, dark=True), person("linus@example.com"), "Kernel")
    for one in (grace, linus):
        one.sign_in()

    for step in STEPS:
        for one in (grace, linus):
            step(one)
            shot(one.page, f"settings-{step.__name__}-{one.word.lower()}")

    for one, other in ((grace, linus), (linus, grace)):
        for name in PAGES:
            own = one.page.request.get(f"/t/{one.team.slug}/settings/{name}/")
            assert own.status == 200
            assert other.word not in own.text()
            assert other.user.email not in own.text()
            assert one.page.request.get(f"/t/{other.team.slug}/settings/{name}/").status == 404
        one.team.refresh_from_db()
        assert one.team.name == f"{one.word} Works"
        assert Invitation.objects.get(team=one.team).revoked_at is not None
        assert ApiKey.objects.get(team=one.team).revoked_at is not None
