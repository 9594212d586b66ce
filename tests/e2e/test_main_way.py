"""Main job in a browser, from the upload to the cost. It includes an answer, an approval, a revision and a review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from agents.models import Agent
from agents.roles import find, starting_point
from agents.services.agents import create_from_role
from tasks.models import Run, RunStatus
from tests.tasks.conftest import driver, fast_engine

__all__ = ["driver", "fast_engine"]

Open = Callable[..., Page]
TICKETS = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "support-tickets.csv"
PATIENT = 90_000


@pytest.fixture
def analyst(team, alice, settings: Any) -> Agent:
    settings.DEMO_DELAY_MS = 5
    role = find("data-analyst")
    assert role
    tools = [row for row in starting_point(role)["tools"] if row["tool"] != "run_python"]
    return create_from_role(team=team, actor=alice, role=role, name="Ana", runtime="demo", model="demo-1", tools=tools)


@pytest.mark.usefixtures("driver")
def test_from_the_first_click_to_the_receipt(open_page: Open, shot, alice, analyst, tmp_path):
    page = open_page(alice)
    page.goto("/t/acme/")
    page.keyboard.press("r")
    page.get_by_label("What should it do?").fill("What drives refunds? Send the report to alice@example.com.")
    page.get_by_label("Files").set_input_files(TICKETS)
    expect(page.locator("[data-uploads-list] input[name=attached]")).to_have_count(1)
    page.get_by_label("Wait for my review").check()
    shot(page, "main-way-1-hand-over")
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("heading", name="Which column should I measure?")).to_be_visible(timeout=PATIENT)
    expect(page.locator(".run-head")).to_contain_text("Demo model")
    expect(page.get_by_role("link", name="Inbox").locator(".count").first).to_contain_text("1")
    shot(page, "main-way-2-question")
    page.get_by_role("button", name="refunded", exact=True).click()

    approval = page.locator("[data-kind=approval][data-status=open]")
    expect(approval).to_contain_text("alice@example.com", timeout=PATIENT)
    expect(page.locator("#run-activity img")).not_to_have_count(0)
    shot(page, "main-way-3-approval")
    page.keyboard.press("a")

    review = page.locator("[data-kind=review][data-status=open]")
    expect(review).to_be_visible(timeout=PATIENT)
    page.keyboard.press("c")
    review.get_by_label("Comment").fill("Please add the months.")
    review.get_by_role("button", name="Ask for changes").click()
    expect(page.locator("#run-activity")).to_contain_text("Please add the months.")
    expect(page.locator("#run-activity")).to_contain_text("Changed report.md", timeout=PATIENT)
    expect(review).to_be_visible(timeout=PATIENT)
    page.get_by_role("tab", name="Files").click()
    page.locator("#run-files").get_by_role("link", name="report.md", exact=True).click()
    expect(page.locator("#file-preview").get_by_role("heading", name="Answer")).to_be_visible()
    expect(page.locator("#file-preview img").first).to_be_visible()
    shot(page, "main-way-4-review")
    review.get_by_role("button", name="Approve").click()

    expect(page.locator("#run-outcome")).to_contain_text("Finished in", timeout=PATIENT)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download report.md").click()
    download.value.save_as(tmp_path / "report.md")
    assert "**Demo model.**" in (tmp_path / "report.md").read_text()
    page.get_by_role("tab", name="Result").click()
    expect(page.locator("#run-result")).to_contain_text("refunded")
    shot(page, "main-way-5-result")
    page.get_by_role("link", name="View receipt").click()
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    shot(page, "main-way-6-receipt")

    run = Run.objects.get()
    assert run.status == RunStatus.SUCCEEDED
    assert run.review is True
    page.goto("/t/acme/inbox/")
    expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
