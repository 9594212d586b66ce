"""Real browser on a real server. No page may cause console errors or policy violations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from accounts.models import User
from agents.models import Agent
from tasks.models import HumanRequest, RunStatus
from tasks.services.onboarding import hire_role
from tests import web
from tests.browser import ARGUMENTS, find_chromium
from tests.factories import RunFactory
from tests.timeouts import PATIENCE_S

OUTPUT = Path(__file__).parent / "output"
REFUSED = re.compile(r"the server responded with a status of (409|422) ")
"""Chromium notes each form that was refused; the page itself says why."""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
expect.set_options(timeout=PATIENCE_S * 1000)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a web process on the test database, with its static files."""
    home = tmp_path_factory.mktemp("web")
    environment = {"DJANGO_SETTINGS_MODULE": "tests.e2e.settings", "DESKHAND_E2E_STATIC": str(home / "static")}
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(collect, cwd=settings.BASE_DIR, env=os.environ | environment, check=True)
    with web.serve(home, environment) as served:
        yield served.url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Playwright's loop runs in this thread; the ORM is used between its calls, never inside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watched:
    """Console errors, warnings and exceptions of one test's pages."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._console(page, message))

    def _console(self, page: Page, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not REFUSED.search(message.text):
            self.complaints.append(f"{page.url}: {message.text}")


@pytest.fixture
def open_page(chromium: Browser, server: str, transactional_db: None) -> Iterator[Callable[..., Page]]:
    """Function that opens a page: `open_page(user, phone=True, dark=True)`, in a fresh browser, signed in as that
    person.
    """
    watched, contexts = Watched(), []

    def make(
        user: User | None = None,
        *,
        phone: bool = False,
        dark: bool = False,
        scripts: bool = True,
        zone: str | None = None,
        base_url: str = server,
    ) -> Page:
        context: BrowserContext = chromium.new_context(
            base_url=base_url,
            viewport=PHONE if phone else DESK,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            timezone_id=zone,
        )
        contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": server}])
        page = context.new_page()
        watched.watch(page)
        return page

    yield make
    for context in contexts:
        context.close()
    assert watched.complaints == []


@pytest.fixture
def shot() -> Callable[..., None]:
    """Function that saves a screenshot for people who look at the test run."""
    OUTPUT.mkdir(exist_ok=True)

    def take(page: Page, name: str, *, whole: bool = True) -> None:
        page.screenshot(path=OUTPUT / f"{name}.png", full_page=whole)

    return take


@pytest.fixture
def desk(team, alice) -> Agent:
    """Agent with running, asking and finished runs."""
    agent = hire_role(team=team, actor=alice, role="data-analyst", name="Ana")
    now = timezone.now()
    for n in range(12):
        RunFactory(
            agent=agent,
            status=RunStatus.SUCCEEDED,
            finished_at=now,
            active_s=60 + n,
            created_at=now - timedelta(days=n),
        )
    RunFactory(
        agent=agent, status="running", lease_expires_at=now + timedelta(hours=1), title="Counting <b>tickets</b>"
    )
    asking = RunFactory(agent=agent, status="waiting", waiting_kind="question", title="Stock report")
    HumanRequest.objects.create(team=team, run=asking, kind="question", title="Which month?")
    return agent
