"""Start of a run while a file is uploading or has failed. Nothing is lost, and no run starts without its files."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tasks.models import Run, RunInput
from tests.factories import AgentFactory

Open = Callable[..., Page]
COSTS = {"name": "costs.csv", "mimeType": "text/csv", "buffer": b"name;cost\nTea;3\n"}
STOCK = {"name": "stock.csv", "mimeType": "text/csv", "buffer": b"name;left\nTea;9\n"}


@pytest.fixture
def held(open_page: Open, alice, team) -> tuple[Page, list[Route]]:
    """Filled-in form of a new run, with its uploads held until the test releases them."""
    AgentFactory(team=team, name="Ana")
    page, routes = open_page(alice), list[Route]()
    page.route("**/t/acme/files/", lambda route: routes.append(route))
    page.goto("/t/acme/runs/new/")
    page.get_by_label("What should it do?").fill("Count.")
    return page, routes


def attach(page: Page, routes: list[Route], *files: dict[str, object]) -> None:
    page.get_by_label("Files").set_input_files(list(files))  # type: ignore[arg-type]
    arrive(page, routes, len(files))


def arrive(page: Page, routes: list[Route], count: int) -> None:
    for _ in range(500):
        if len(routes) == count:
            return
        page.wait_for_timeout(10)  # lets the browser's requests come in
    pytest.fail("the uploads did not start")


def names() -> list[str]:
    return sorted(RunInput.objects.values_list("name", flat=True))


def test_a_start_waits_for_the_files_on_their_way(held: tuple[Page, list[Route]], shot) -> None:
    page, routes = held
    attach(page, routes, COSTS, STOCK)
    start = page.get_by_role("button", name="Start")

    start.click()
    expect(page.get_by_role("status").get_by_text("2 files are still on their way.")).to_be_visible()
    expect(start).to_have_attribute("aria-busy", "true")
    shot(page, "uploads-on-their-way")
    routes.pop().continue_()
    expect(page.get_by_text("1 file is still on its way.")).to_be_visible()
    assert not Run.objects.exists()
    routes.pop().continue_()

    page.wait_for_url("**/runs/0*/")
    assert Run.objects.count() == 1
    assert names() == ["costs.csv", "stock.csv"]


def test_files_keep_their_names(held: tuple[Page, list[Route]]) -> None:
    """Upload names as browsers send them. Quotation marks are %22, joiners of emoji and Persian words are unchanged."""
    page, routes = held
    given = ['he said "hi".csv', "👩‍👩‍👧.csv", "می‌خواهم.csv"]
    attach(page, routes, *(COSTS | {"name": name} for name in given))
    for route in routes:
        route.continue_()

    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/runs/0*/")

    assert names() == sorted(given)


def test_a_file_that_did_not_arrive_is_tried_again_or_removed(held: tuple[Page, list[Route]], shot) -> None:
    page, routes = held
    attach(page, routes, COSTS, STOCK)
    for route in (routes.pop(), routes.pop()):
        route.fulfill(status=200, body="{}")  # no file was made; a 5xx would count as a complaint of the console

    expect(page.get_by_text("Was not accepted")).to_have_count(2)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("2 files did not arrive.")).to_be_visible()
    shot(page, "uploads-failed")
    assert not Run.objects.exists()

    page.get_by_role("button", name="Remove stock.csv").click()
    page.get_by_role("listitem").filter(has_text="costs.csv").get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Was not accepted")).to_be_hidden()
    expect(page.get_by_text("did not arrive")).to_be_hidden()
    arrive(page, routes, 1)
    routes.pop().continue_()
    expect(page.locator("input[name=attached]")).to_have_count(1)
    page.get_by_role("button", name="Start").click()

    page.wait_for_url("**/runs/0*/")
    assert names() == ["costs.csv"]
