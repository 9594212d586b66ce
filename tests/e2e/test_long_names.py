"""Long names: they never push a column, a button or the page itself off the screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tasks.models import RunStatus
from tests.factories import AgentFactory, RunFactory, TaskFactory

Open = Callable[..., Page]
UNBROKEN = "Quarterlyreconciliation" * 5
SENTENCE = "Compare the refunds of this quarter with those of the last one, by reason, country and product line"
# Elements that overflow their container on the right, and tables wider than their frame.
CLIPPED = """() => [...document.querySelectorAll(".table-wrap, .card, .toolbar, .page-head")]
    .filter(box => box.offsetParent && box.scrollWidth > box.clientWidth + 1)
    .map(box => `${box.className}: ${box.scrollWidth} in ${box.clientWidth}: ${[...box.querySelectorAll("*")].filter(
        one => one.getBoundingClientRect().right > box.getBoundingClientRect().right + 1
    ).slice(0, 2).map(one => one.outerHTML.slice(0, 90))}`)"""
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture
def long_names(team, alice):
    agent = AgentFactory(team=team, name=UNBROKEN[:80], role="Data analyst")
    task = TaskFactory(team=team, agent=agent, name=UNBROKEN[:120])
    for title in (UNBROKEN[:120], SENTENCE):
        RunFactory(team=team, agent=agent, task=task, title=title, status=RunStatus.QUEUED, created_by=alice)
    return agent


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_long_names_keep_every_column_on_the_screen(open_page: Open, shot, alice, long_names, width):
    page = open_page(alice, phone=width == 390)
    if width != 390:
        page.set_viewport_size({"width": width, "height": 900})
    wrong = []

    for path in ("", "runs/", "tasks/", "agents/", f"agents/{long_names.pk}/", "inbox/"):
        page.goto(f"/t/acme/{path}")
        shot(page, f"long-names-{width}-{path.partition('/')[0] or 'home'}")
        wrong += [f"{path or 'home'}: {clipped}" for clipped in page.evaluate(CLIPPED)]
        if not page.evaluate(FITS):
            wrong.append(f"{path or 'home'}: the page scrolls sideways")

    assert wrong == []
