"""Forking, comparing and cancelling runs in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import Team, User
from tasks.models import Run, RunStatus
from tasks.services import runs
from tests.e2e.conftest import DESK, PHONE
from tests.factories import AgentFactory, start_run
from tests.tasks.conftest import FAST
from tests.tasks.scripted import Scripted, call, engine, say, settled

Open = Callable[..., Page]
REPORT = call("write_file", "toolu_1", path="report.md", content="# Refunds\n\n41% <b>are late</b>.\n")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, settings, transactional_db: None) -> Scripted:
    """Scripted model that reports what the tool returned."""

    def conclude(request) -> list[dict[str, str]]:
        told = str(request.messages[-1]["content"][0].get("content", ""))
        return [say("The disk is full.\nNothing was written." if "full" in told else "I wrote it.\nRead report.md.")]

    settings.ENGINE = settings.ENGINE | FAST
    made = Scripted([[REPORT], conclude])
    monkeypatch.setattr("tasks.engine.claimed_run.get_runtime", lambda name: made)
    return made


@pytest.fixture
def agent(team: Team):
    tools = [{"tool": "write_file", "policy": "allow"}]
    return AgentFactory(team=team, name="Ana", version__tools=tools, version__memory_enabled=False)


def start(agent, alice: User, title: str) -> Run:
    return start_run(team=agent.team, actor=alice, agent=agent, prompt=title)


def look(page: Page, shot: Callable[[Page, str], None], name: str) -> None:
    """Save screenshots in light, dark and on a phone. Nothing may be wider than the screen."""
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    shot(page, f"{name}-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), name
    shot(page, f"{name}-phone")
    page.set_viewport_size(DESK)
    shot(page, f"{name}-light")


def test_a_run_is_forked_from_its_middle_and_compared(
    open_page: Open, shot, alice: User, agent, runtime: Scripted
) -> None:
    with engine():
        run = settled(start(agent, alice, "Write the refund report"), RunStatus.SUCCEEDED)
        page = open_page(alice)
        page.goto(f"/t/acme/runs/{run.pk}/#timeline")
        page.locator(".wf-row", has_text="Write report.md").click()
        look(page, shot, "fork-1-timeline")
        page.get_by_role("link", name="Fork from here").locator("visible=true").click()
        expect(page.get_by_label("Continue after")).to_be_visible()
        page.get_by_label("Result of the tool").fill("The disk is full.")
        look(page, shot, "fork-2-form")
        page.get_by_role("button", name="Start fork").click()

        expect(page.get_by_text("The steps before it were taken over")).to_be_visible()
        expect(page.locator("#run-status")).to_contain_text("Done")
        look(page, shot, "fork-3-run")
        page.get_by_role("link", name="Compare", exact=True).click()

    answer = page.get_by_role("region", name="Difference of the answers")
    expect(answer.locator(".del").first).to_contain_text("I wrote it.")
    expect(answer.locator(".add").first).to_contain_text("The disk is full.")
    expect(page.get_by_text("same call, other result")).to_be_visible()
    look(page, shot, "fork-4-compare")
    page.get_by_role("link", name="Swap sides").click()
    expect(answer.locator(".del").first).to_contain_text("The disk is full.")
    expect(page).to_have_url(re.compile(rf"right={run.pk}"))


def test_many_runs_are_chosen_and_cancelled(open_page: Open, shot, alice: User, agent) -> None:
    made = [start(agent, alice, f"Count the tickets of store {n}") for n in range(5)]
    page = open_page(alice)
    page.goto("/t/acme/runs/")
    bar = page.get_by_role("region", name="Chosen runs")

    expect(bar).not_to_be_visible()
    page.get_by_role("checkbox", name="Choose Count the tickets of store 0").check()
    expect(bar).to_contain_text("1 chosen")
    expect(bar.get_by_role("button", name="Compare")).to_be_disabled()
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(bar).to_contain_text("5 chosen")
    look(page, shot, "bulk-1-chosen")
    bar.get_by_role("button", name="Cancel…").click()

    expect(page.get_by_role("heading", name="Cancel 5 runs?")).to_be_visible()
    look(page, shot, "bulk-2-question")
    runs.cancel_run(run=made[0], actor=alice)
    page.get_by_role("button", name="Cancel 5 runs").click()

    expect(page.locator("#toasts")).to_contain_text("4 cancelled, 1 was already finished.")
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.CANCELLED}


def test_a_choice_outlives_a_refresh_that_is_on_its_way(open_page: Open, alice: User, agent) -> None:
    start(agent, alice, "Count the tickets")
    page, held = open_page(alice), list[Route]()
    page.route_web_socket(re.compile("/ws/feed/"), lambda socket: None)  # no feed, so no refresh
    page.goto("/t/acme/runs/")
    page.route("**/t/acme/runs/", lambda route: held.append(route))
    page.evaluate("() => { over = new Promise((end) => addEventListener('htmx:finally:request', () => end(true))); }")
    page.locator("#run-rows").dispatch_event("refresh")
    box = page.get_by_role("checkbox", name="Choose Count the tickets")
    box.check()

    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    assert page.evaluate("() => over")

    expect(box).to_be_checked()
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", name="Cancel 1 run?")).to_be_visible()
