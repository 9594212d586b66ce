"""Pages to continue failed runs and to run them again, at three widths."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from tasks import event_log, events
from tasks.models import Run, RunStatus, Step
from tasks.services import shares
from tasks.services.continuing import continue_run
from tests.factories import AgentFactory, RunFactory

Open = Callable[..., Page]
WIDTHS = {"1440": (1440, 900), "1024": (1024, 768), "390": (390, 844)}
TOO_WIDE = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
OUTSIDE = """() => [...document.querySelectorAll("main button, main a.btn")]
    .filter((e) => e.offsetParent && !e.matches(".sr-only"))
    .filter((e) => {
        const own = e.getBoundingClientRect(), card = (e.closest(".card") ?? document.body).getBoundingClientRect();
        return own.left < card.left || own.right > card.right;
    }).map((e) => e.innerText)"""
"""Buttons that stick out of their card."""


@pytest.fixture
def failed(team, alice) -> Run:
    """Make a run that mailed a report and then failed because of its model."""
    agent = AgentFactory(team=team, name="Ana")
    run = RunFactory(agent=agent, created_by=alice, title="What drives refunds?", started_at=timezone.now())
    step = {"kind": "tool", "status": "done", "tool": "email_report", "call_id": "c1", "finished_at": timezone.now()}
    arguments = {"to": ["kim@example.com"], "subject": "Refunds in May", "body": "All is well."}
    Step.objects.create(run=run, index=1, request=arguments, result={"content": "Sent."}, **step)
    fail(run)
    return run


def fail(run: Run) -> None:
    why = "The model provider refused our key."
    Run.objects.filter(pk=run.pk).update(
        status=RunStatus.FAILED,
        error_code="model_error",
        error_detail=why,
        finished_at=timezone.now(),
        lease_expires_at=None,
    )
    run.refresh_from_db()
    event_log.append(run, events.RunFinished(status="failed", error_code="model_error", error_detail=why))


def sized(open_page: Open, person: Any, width: str, **more: Any) -> Page:
    page = open_page(person, phone=width == "390", **more)
    page.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    return page


def path(name: str, run: Run | None = None) -> str:
    return reverse(f"tasks:{name}", args=["acme", *([run.pk] if run else [])])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_failed_run_is_continued_from_its_page(open_page: Open, shot, alice, failed, width) -> None:
    page = sized(open_page, alice, width)
    page.goto(path("run_detail", failed))
    button = page.get_by_role("button", name="Continue", exact=True).first
    expect(page.locator("#run-outcome")).to_contain_text("The model provider refused our key.")
    expect(button).to_be_visible()
    assert page.evaluate(TOO_WIDE) == 0
    shot(page, f"continue-{width}", whole=False)
    button.click()

    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
    expect(page.locator("#run-connection")).to_contain_text("Live")
    failed.refresh_from_db()
    assert (failed.status, Run.objects.count()) == ("queued", 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_running_again_names_what_it_would_repeat(open_page: Open, shot, alice, failed, width) -> None:
    page = sized(open_page, alice, width, dark=width == "1024")
    page.goto(path("run_retry", failed))
    expect(page.get_by_text("Email kim@example.com: Refunds in May")).to_be_visible()
    expect(page.locator(".btn-primary:visible")).to_have_text("Continue")
    assert (page.evaluate(TOO_WIDE), page.evaluate(OUTSIDE)) == (0, [])
    shot(page, f"run-again-{width}", whole=False)
    page.get_by_role("link", name="Leave it").click()
    expect(page).to_have_url(re.compile(path("run_detail", failed)))
    assert Run.objects.count() == 1
    page.goto(path("run_retry", failed))
    page.get_by_role("button", name="Run again all the same").click()

    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
    again = Run.objects.exclude(pk=failed.pk).get()
    failed.refresh_from_db()
    assert (again.retry_of, failed.status) == (failed, "failed")


@pytest.mark.parametrize("width", WIDTHS)
def test_many_are_continued_and_the_others_left_alone(open_page: Open, shot, alice, failed, width) -> None:
    done = RunFactory(agent=failed.agent, status=RunStatus.SUCCEEDED, finished_at=timezone.now(), title="Done before")
    page = sized(open_page, alice, width, dark=width == "390")
    page.goto(path("run_list"))
    page.get_by_label("Choose What drives refunds?").check()
    page.get_by_label("Choose Done before").check()
    page.get_by_role("button", name="Continue…").click()
    expect(page.get_by_role("heading", name="Continue 1 run?")).to_be_visible()
    expect(page.get_by_text("The other chosen runs did not fail or cannot go on")).to_be_visible()
    assert (page.evaluate(TOO_WIDE), page.evaluate(OUTSIDE)) == (0, [])
    shot(page, f"continue-many-{width}", whole=False)
    page.get_by_role("button", name="Continue 1").click()

    expect(page.locator(".toast")).to_contain_text("1 continued")
    assert [Run.objects.get(pk=run.pk).status for run in (failed, done)] == ["queued", "succeeded"]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_fork_that_repeats_something_asks_first(open_page: Open, shot, alice, failed, width) -> None:
    page = sized(open_page, alice, width)
    page.goto(path("run_fork", failed))
    page.get_by_text("Use recorded tool results").click()
    page.get_by_role("button", name="Start fork").click()
    expect(page.get_by_text("This fork may do this again.")).to_be_visible()
    expect(page.get_by_text("Email kim@example.com: Refunds in May")).to_be_visible()
    expect(page.get_by_label("Use recorded tool results")).not_to_be_checked()
    assert (page.evaluate(TOO_WIDE), Run.objects.count()) == (0, 1)
    shot(page, f"fork-repeats-{width}", whole=False)
    page.get_by_role("button", name="Start fork anyway").click()

    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
    assert Run.objects.exclude(pk=failed.pk).get().forked_from == failed


@pytest.mark.parametrize("by_link", [False, True], ids=["team", "shared link"])
def test_who_watches_a_run_fail_sees_it_continued(open_page: Open, team, alice, failed, by_link) -> None:
    Run.objects.filter(pk=failed.pk).update(status=RunStatus.QUEUED, finished_at=None, error_code="", error_detail="")
    failed.refresh_from_db()
    page = open_page(None if by_link else alice)
    page.route_web_socket(re.compile("/ws/feed/"), lambda socket: None)  # only the run's own socket brings news
    if by_link:
        token = shares.share_run(run=failed, actor=alice)[1]
        page.goto(f"/share/{token}/")
    else:
        page.goto(path("run_detail", failed))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    fail(failed)
    expect(page.locator("#run-connection")).to_contain_text("History")

    continue_run(run=failed, actor=alice)
    event_log.append(failed, events.Message(step=2, role="agent", text="On it again."))

    expect(page.locator("#run-activity")).to_contain_text("On it again.")
    expect(page.locator("#run-connection")).to_contain_text("Live")
