"""Scheduled runs in a real browser: in its own time zone, or in UTC without scripts."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from tasks.models import Run

ZONE = "Asia/Tokyo"
LOOKS = {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}


@pytest.mark.parametrize("look", LOOKS)
def test_a_run_is_planned_shown_and_started_early(open_page, shot, desk, alice, look):
    at = (timezone.now() + timedelta(hours=30)).replace(second=0, microsecond=0)
    local = at.astimezone(ZoneInfo(ZONE))
    page = open_page(alice, zone=ZONE, **LOOKS[look])
    page.goto("/t/acme/runs/new/")
    page.get_by_label("What should it do?").fill("Count the stock")
    expect(page.get_by_label("Day", exact=True)).to_be_hidden()

    page.get_by_text("Later", exact=True).click()
    page.get_by_label("Day", exact=True).fill(f"{local:%Y-%m-%d}")
    page.get_by_label("Time", exact=True).fill(f"{local:%H:%M}")
    page.get_by_text("Limits and priority").click()
    expect(page.get_by_text(f"Time zone: {ZONE}")).to_be_visible()
    shot(page, f"start-later-{look}")
    page.get_by_role("button", name="Start").click()

    year = "" if local.year == datetime.now(local.tzinfo).year else f" {local.year}"
    words = f"Starts {local:%a} {local.day} {local:%b}{year}, {local:%H:%M} (in 1 day)"
    expect(page.locator("#run-now")).to_have_text(words)
    assert Run.objects.get(title="Count the stock").start_at == at
    shot(page, f"start-planned-{look}")
    page.goto("/t/acme/")
    expect(page.locator("#dashboard-live")).to_contain_text(words)
    shot(page, f"start-dashboard-{look}")
    page.goto("/t/acme/runs/")
    expect(page.locator("#run-rows")).to_contain_text(words.removeprefix("Starts "))
    shot(page, f"start-list-{look}")
    if look == "phone":
        page.goto("/t/acme/")
    page.get_by_role("button", name="Start Count the stock now").click()
    expect(page.locator("#run-now")).to_contain_text("Queued, next in line")


def test_without_scripts_the_time_is_utc(open_page, desk, alice):
    at = (timezone.now() + timedelta(hours=30)).replace(second=0, microsecond=0)
    page = open_page(alice, scripts=False, zone=ZONE)
    page.goto("/t/acme/runs/new/")
    page.get_by_label("What should it do?").fill("Count the stock")
    page.get_by_text("Later", exact=True).click()
    expect(page.get_by_text("Time zone: UTC")).to_be_visible()
    page.get_by_label("Day", exact=True).fill(f"{at:%Y-%m-%d}")
    page.get_by_label("Time", exact=True).fill(f"{at:%H:%M}")
    page.get_by_role("button", name="Start").click()

    expect(page.locator("#run-now")).to_contain_text(f"{at:%H:%M} UTC (in 1 day)")
    page.goto("/t/acme/")
    page.get_by_role("button", name="Start Count the stock now").click()
    expect(page.locator("#run-now")).to_contain_text("Queued, next in line")
