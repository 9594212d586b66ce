"""Search in a browser: the list of runs at three widths, and the palette over a whole team."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tasks.models import Artifact
from tests.factories import AgentFactory, RunFactory, StoredFileFactory

Open = Callable[..., Page]
WIDTHS = {"1440": (1440, 900), "1024": (1024, 768), "390": (390, 844)}
TOO_WIDE = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
LONG = "Compare_" + "every_supplier_of_the_last_three_quarters_" * 3


@pytest.mark.parametrize("width", WIDTHS)
def test_runs_are_searched_and_the_view_stays_in_the_address(open_page: Open, shot, team, alice, width) -> None:
    agent = AgentFactory(team=team, name=LONG[:79])
    for n in range(12):
        RunFactory(agent=agent, title=LONG if n % 2 else f"Refunds in week {n}", created_by=alice)
    page = open_page(alice, phone=width == "390", dark=width == "1024")
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    page.goto(reverse("tasks:run_list", args=["acme"]))
    assert page.evaluate(TOO_WIDE) == 0
    shot(page, f"runs-search-{width}", whole=False)
    page.keyboard.press("/")
    page.keyboard.type("week 1")
    page.keyboard.press("Enter")

    expect(page.locator("#run-rows tbody tr")).to_have_count(1)
    assert "q=week+1" in page.url
    page.get_by_role("link", name="Clear filters").first.click()
    expect(page.locator("#run-rows tbody tr")).to_have_count(12)


def test_the_palette_finds_what_is_not_on_the_page(open_page: Open, shot, team, alice) -> None:
    agent = AgentFactory(team=team, name="Ana")
    old = RunFactory(agent=agent, title="Week 22", prompt="Why are there more refunds?")
    Artifact.objects.create(team=team, run=old, path="refunds.csv", file=StoredFileFactory(team=team))
    for n in range(15):
        RunFactory(agent=agent, title=f"Newer {n}")
    page = open_page(alice)
    page.goto("/t/acme/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("refunds")

    option = page.get_by_role("option", name="Week 22 just now")
    expect(option).to_be_visible()
    expect(page.get_by_role("option", name="refunds.csv")).to_be_visible()
    shot(page, "palette-search", whole=False)
    option.click()
    page.wait_for_url(f"**/{old.pk}/**")
