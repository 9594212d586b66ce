"""Accessibility of every page by axe-core: light, dark and on a phone.

Pages are found by walking the URLs, so a new one is checked without being added here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client, RequestFactory
from playwright.sync_api import Page

from accounts.models import Team, User
from agents.models import Agent
from config import errors
from tasks.models import Run, RunStatus
from tasks.services import shares
from tests.architecture.rows import Rows
from tests.architecture.walk import ADDRESSES, paths
from tests.e2e.conftest import DESK, PHONE
from tests.factories import UserFactory

Open = Callable[..., Page]
AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
FIND = """async (runOnly) => (await axe.run(
        {exclude: [".swagger-ui"]}, {runOnly, resultTypes: ["violations"], preload: false})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`))"""
ALL = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
NO_PAGES = ("api/v1/", "health/")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Log level that hides the 404s of URLs that are no page."""
    caplog.set_level(logging.CRITICAL, logger="django.request")


@pytest.fixture
def no_page_forgotten(team: Team, alice: User, desk: Agent) -> Rows:
    """Row of every model, so that every URL with an id exists."""
    rows = Rows(team, alice)
    assert [model.__name__ for model in rows.make_all()] == []
    return rows


def pages(client: Client, rows: Rows) -> Iterator[str]:
    """Yield one path for each whole page that this browser may open."""
    for address in (address for address in ADDRESSES if not address.route.startswith(NO_PAGES)):
        for path in paths(address, rows):
            if is_page(client.get(path)):
                yield path
                break


def is_page(answer: Any) -> bool:
    return answer.status_code == 200 and not answer.streaming and answer.content[:15].lower() == b"<!doctype html>"


def complaints(page: Page, path: str) -> list[str]:
    """Return the serious and critical findings of axe.

    In the dark theme only colours are checked, because the elements are the same.
    """
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(path)
    page.evaluate(AXE)
    found = [f"{path} light {what}" for what in page.evaluate(FIND, ALL)]
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found += [f"{path} dark {what}" for what in page.evaluate(FIND, COLOURS)]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(PHONE)
    found += [f"{path} phone {what}" for what in page.evaluate(FIND, ALL)]
    return found


def test_axe_sees_what_is_wrong(open_page: Open) -> None:
    page = open_page()
    page.goto("/accounts/login/")
    page.evaluate(AXE)
    page.evaluate("document.querySelector('[name=login]').labels.forEach((label) => label.remove())")

    assert [what.partition(":")[0] for what in page.evaluate(FIND, ALL)] == ["label"]


def test_no_page_of_a_team_has_a_serious_violation(open_page: Open, alice: User, no_page_forgotten: Rows) -> None:
    client = Client()
    client.force_login(alice)
    run = Run.objects.filter(status=RunStatus.SUCCEEDED).latest("created_at")
    more = [f"/t/acme/runs/{run.pk}/", f"/t/acme/runs/compare/?left={run.pk}&right={run.pk}"]
    for_anyone = set(pages(Client(), no_page_forgotten))
    found = [path for path in pages(client, no_page_forgotten) if path not in for_anyone] + more

    page = open_page(alice)

    assert len(found) > 30
    assert [what for path in found for what in complaints(page, path)] == []


def test_no_page_for_anyone_has_a_serious_violation(open_page: Open, alice: User, no_page_forgotten: Rows) -> None:
    run = Run.objects.filter(status=RunStatus.SUCCEEDED).latest("created_at")
    token = shares.share_run(run=run, actor=alice)[1]
    found = [*pages(Client(), no_page_forgotten), f"/share/{token}/"]

    page = open_page()

    assert len(found) > 8
    assert [what for path in found for what in complaints(page, path)] == []


def test_no_error_page_has_a_serious_violation(open_page: Open, alice: User, rf: RequestFactory) -> None:
    client = Client()
    client.force_login(alice)
    shown = {"in a team": client.get("/t/acme/nowhere/").content, "anywhere": Client().get("/nowhere/").content}
    shown |= {"broken": errors.server_error(rf.get("/")).content, "too many": errors.too_many(rf.get("/")).content}
    page = open_page()
    page.route_web_socket("**/ws/feed/*", lambda socket: None)  # Chromium treats a routed page as remote
    page.route("**/error/*", lambda route: route.fulfill(body=shown[unquote(route.request.url.rpartition("/")[2])]))

    assert [what for name in shown for what in complaints(page, f"/error/{name}")] == []


def test_the_styleguide_has_no_serious_violation(open_page: Open, db: None) -> None:
    page = open_page(UserFactory(is_staff=True))

    assert complaints(page, "/styleguide/") == []
