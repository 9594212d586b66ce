"""Main job with a real installation: sign in, upload, answer, approve, review, download, see the cost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.conftest import DESK, OUTPUT, Watched
from tests.faults.installation import ROOT, Installation

TICKETS = ROOT / "docs" / "examples" / "support-tickets.csv"
PATIENT = 60_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Whole installation in an empty folder."""
    installed = Installation(tmp_path_factory.mktemp("desk") / "var")
    installed.serve()
    yield installed
    installed.remove()


@pytest.fixture
def context(chromium: Browser, desk: Installation) -> Iterator[BrowserContext]:
    made = chromium.new_context(base_url=desk.url, viewport=DESK, accept_downloads=True)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, desk: Installation) -> Iterator[Page]:
    """Page of a person who has just signed in, which must stay free of errors."""
    watched = Watched()
    page = context.new_page()
    watched.watch(page)
    page.goto("/accounts/login/")
    page.locator("[name=login]").fill(desk.demo["email"])
    page.locator("[name=password]").fill(desk.demo["password"])
    page.locator("[name=password]").press("Enter")
    expect(page).to_have_url(re.compile(r"/t/[^/]+/$"))
    yield page
    assert watched.complaints == []


def shoot(page: Page, name: str) -> None:
    OUTPUT.mkdir(exist_ok=True)
    page.screenshot(path=OUTPUT / f"main-job-{name}.png")


def hand_over(page: Page, prompt: str, *, review: bool) -> None:
    team = page.url.split("/t/")[1].split("/")[0]
    page.goto(f"/t/{team}/runs/new/")
    page.locator("select[name=agent]").select_option(label="Rita · Data analyst")
    page.locator("textarea[name=prompt]").fill(prompt)
    page.locator("input[type=file]").first.set_input_files(TICKETS)
    expect(page.locator("input[type=hidden][name=attached]")).to_have_count(1, timeout=PATIENT)
    if review:
        page.locator("[name=review]").check()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/[0-9a-f-]{36}/"))


def test_from_the_first_click_to_the_last(page: Page, tmp_path: Path) -> None:
    hand_over(page, "What drives refunds?", review=True)
    expect(page.get_by_text("Demo model").first).to_be_visible(timeout=PATIENT)
    activity = page.locator("#run-activity")
    expect(activity.get_by_text("Found 1 file")).to_be_visible(timeout=PATIENT)
    shoot(page, "1-live")

    dock = page.locator("#run-dock")
    expect(dock.get_by_role("button", name="refunded", exact=True)).to_be_visible(timeout=PATIENT)
    shoot(page, "2-question")
    dock.get_by_role("button", name="refunded", exact=True).click()

    allow = dock.get_by_role("button", name=re.compile("^Allow once"))
    expect(allow).to_be_visible(timeout=PATIENT)
    shoot(page, "3-approval")
    allow.click()

    approve = dock.get_by_role("button", name=re.compile("^Approve"))
    expect(approve).to_be_visible(timeout=PATIENT)
    shoot(page, "4-review")
    approve.click()

    expect(page.get_by_text("Done", exact=True).first).to_be_visible(timeout=PATIENT)
    shoot(page, "5-done")
    page.get_by_role("tab", name="Files").click()
    with page.expect_download() as got:
        page.get_by_role("link", name="Download report.md").click()
    report = tmp_path / "report.md"
    got.value.save_as(report)
    assert "In 122 of 640 rows (19.1%) `refunded` is true." in report.read_text()
    expect(page.get_by_text("$0.00").first).to_be_visible()


def test_a_run_that_waits_survives_the_death_of_everything(
    page: Page, desk: Installation, context: BrowserContext
) -> None:
    hand_over(page, "What drives refunds?", review=False)
    dock = page.locator("#run-dock")
    expect(dock.get_by_role("button", name="refunded", exact=True)).to_be_visible(timeout=PATIENT)
    where = page.url
    page.goto("about:blank")

    desk.kill_everything()
    desk.serve()

    page.goto(where)
    dock.get_by_role("button", name="refunded", exact=True).click()
    expect(dock.get_by_role("button", name=re.compile("^Don’t allow"))).to_be_visible(timeout=PATIENT)
    dock.get_by_role("button", name=re.compile("^Don’t allow")).click()
    expect(page.get_by_text("Done", exact=True).first).to_be_visible(timeout=PATIENT)
    shoot(page, "6-after-the-crash")
