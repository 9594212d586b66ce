from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from playwright.sync_api import Page, expect

from tasks.models import HumanRequest, RunStatus
from tasks.services import answers

Open = Callable[..., Page]


PAGES = [
    "/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/t/acme/",
    "/t/acme/start/",
    "/t/acme/agents/",
    "/t/acme/agents/new/",
    "/t/acme/agents/{agent}/",
    "/t/acme/agents/{agent}/change/",
    "/t/acme/agents/{agent}/let-go/",
    "/t/acme/start/{agent}/",
    "/t/acme/inbox/",
    "/t/acme/tasks/",
    "/t/acme/tasks/new/",
    "/t/acme/tasks/{task}/",
    "/t/acme/tasks/{task}/delete/",
    "/t/acme/runs/",
    "/t/acme/runs/new/",
    "/t/acme/runs/{run}/",
    "/t/acme/runs/{run}/cancel/",
    "/t/acme/runs/{run}/share/",
    "/t/acme/runs/{run}/receipt/",
    "/t/acme/runs/{run}/fork/",
    "/t/acme/runs/{run}/replay/",
    "/t/acme/runs/compare/",
    "/t/acme/runs/compare/?left={run}",
    "/t/acme/runs/compare/?left={run}&right={done}",
    "/t/acme/settings/profile/",
    "/t/acme/settings/security/",
    "/t/acme/settings/team/",
    "/t/acme/settings/api-keys/",
    "/t/acme/settings/budgets/",
    "/t/acme/settings/audit/",
]


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_every_page_opens_clean_and_fits(open_page: Open, shot, alice, desk, look):
    """Check for console errors, policy violations, overflow, a single heading, and names of all controls."""
    stranger = open_page(phone=look == "phone", dark=look == "dark")
    person = open_page(alice, phone=look == "phone", dark=look == "dark")

    ids = {"agent": desk.pk, "run": HumanRequest.objects.get().run_id, "task": desk.tasks.earliest("pk").pk}
    ids["done"] = desk.runs.filter(status=RunStatus.SUCCEEDED).latest("pk").pk

    for path in PAGES:
        page = person if path.startswith("/t/") else stranger
        answer = page.goto(path.format(**ids))
        assert answer is not None
        assert answer.status == 200, path
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("h1").count() == 1, path
        assert page.evaluate(NAMELESS) == [], path
        shot(page, re.sub(r"\W+", "-", path.format(**{name: name for name in ids})).strip("-") + f"-{look}")


NAMELESS = """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea")]
    .filter((e) => e.checkVisibility())
    .filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length))
    .map((e) => e.outerHTML.slice(0, 120))"""


def test_the_theme_is_kept_and_printed_by_the_server(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto("/t/acme/")

    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    assert 'data-theme="dark"' in page.request.get("/t/acme/").text()
    page.goto("/t/acme/settings/profile/")
    page.get_by_role("button", name="Light", exact=True).click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_keyboard_goes_everywhere(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto("/t/acme/")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()

    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Find a page")).to_be_focused()
    page.keyboard.type("api key")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Create an API key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/api-keys/")

    page.get_by_role("button", name="Find…").click()
    expect(page.get_by_role("combobox", name="Find a page")).to_be_focused()
    page.keyboard.type("ana")
    expect(page.get_by_role("option", name="Ana Data analyst")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/agents/")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("g a ?")
    expect(page.get_by_role("searchbox")).to_have_value("g a ?")
    page.keyboard.press("Escape")

    page.locator("main").focus()
    page.keyboard.press("Shift+?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_drawer_on_a_phone(open_page: Open, alice, desk):
    page = open_page(alice, phone=True)
    page.goto("/t/acme/")
    sidebar = page.get_by_role("complementary", name="Main navigation")

    expect(sidebar).not_to_be_visible()
    page.get_by_role("button", name="More").click()
    expect(sidebar.get_by_role("link", name="Settings")).to_be_visible()
    page.keyboard.press("Escape")
    expect(sidebar).not_to_be_visible()


def test_the_inbox_count_follows_without_a_reload(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto("/t/acme/")
    badge = page.get_by_role("complementary").locator("[data-inbox-count]")
    expect(badge).to_have_text("1 waiting for you")
    expect(page).to_have_title("(1) Home · Deskhand")
    expect(page.locator("#dashboard-live")).to_contain_text("Which month?")

    asked = HumanRequest.objects.get()
    answers.answer_request(asked=asked, actor=alice, answer={"value": "October"})

    expect(badge).to_have_text("")
    expect(page).to_have_title("Home · Deskhand")
    expect(page.locator("#dashboard-live")).to_contain_text("All answered.")


def test_a_session_that_ended_leads_to_the_sign_in_page(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto("/t/acme/")
    page.context.clear_cookies()

    page.locator("#dashboard-live").dispatch_event("refresh")

    page.wait_for_url("**/accounts/login/?next=/t/acme/")


def test_a_key_is_shown_once_even_after_a_reload(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto("/t/acme/settings/api-keys/")
    page.get_by_label("Name").fill("Warehouse scripts")
    page.get_by_role("button", name="Create key").click()

    expect(page.locator("[data-token]")).to_have_text(re.compile(r"^dh_[0-9a-f]{10}_[\w-]{43}$"))
    page.reload()
    expect(page.locator("[data-token]")).to_have_count(0)
    expect(page.get_by_role("row", name="Warehouse scripts")).to_have_count(1)


def test_from_signing_in_to_a_first_run(open_page: Open, shot, alice, team):
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    page = open_page()
    page.goto("/t/acme/start/")
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url("**/t/acme/start/")
    page.get_by_role("radio", name="Support rep").check(force=True)
    expect(page.get_by_role("heading", name="Support rep")).to_be_visible()
    page.get_by_role("radio", name="Data analyst").check(force=True)
    page.get_by_role("textbox", name="Name").fill("Ada")
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_role("heading", name="Hand Ada some work")).to_be_visible()
    expect(page.get_by_label("Use the example file")).to_be_checked()
    page.get_by_role("button", name="Start first run").click()
    page.wait_for_url("**/t/acme/runs/*/")


def test_unsaved_changes_are_not_lost_by_accident(open_page: Open, alice, desk):
    page = open_page(alice)
    page.goto(f"/t/acme/agents/{desk.pk}/change/")
    bar = page.get_by_role("region", name="Unsaved changes")

    expect(bar).not_to_be_visible()
    page.get_by_label("Name").fill("Ada")
    expect(bar).to_be_visible()
    asked: list[str] = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Inbox").first.click()
    expect(bar).to_be_visible()
    assert asked == ["beforeunload"]

    page.keyboard.press("Control+s")
    page.wait_for_url(f"**/agents/{desk.pk}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    expect(page.locator("#toasts")).to_contain_text("Ada works with the new settings")


def test_everything_works_without_scripts(open_page: Open, alice, desk):
    page = open_page(alice, scripts=False)
    page.goto("/t/acme/agents/")
    page.get_by_role("searchbox").fill("nobody")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No agents match these filters.")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()

    page.get_by_role("link", name="Ana", exact=True).click()
    page.get_by_role("link", name="Change").click()
    page.get_by_label("What it is for").fill("Counts things")
    page.get_by_role("button", name="Save changes").first.click()
    expect(page.get_by_text("Counts things")).to_be_visible()

    page.get_by_role("link", name="Remove agent…").click()
    expect(page.get_by_text("This happens at once")).to_be_visible()
    page.get_by_role("button", name="Remove Ana").click()
    expect(page.get_by_text("Ana is gone.")).to_be_visible()
