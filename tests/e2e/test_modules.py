"""Each page loads its own JavaScript: one entry, what that imports, and no global name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page

from accounts.models import User
from config.ui import scripts
from tasks.models import Run, RunStatus
from tasks.services import shares
from tests.architecture.rows import Rows
from tests.e2e.test_accessibility import no_page_forgotten, pages

Open = Callable[..., Page]
ENTRIES = {
    "/": "site",
    "/accounts/login/": "sign-in",
    "/t/acme/": "team",
    "/t/acme/inbox/": "inbox",
    "/t/acme/runs/": "runs",
    "/t/acme/runs/new/": "start-run",
    "/t/acme/start/": "onboarding",
    "/t/acme/tasks/new/": "task-form",
    "/t/acme/settings/profile/": "team",
}
NEEDS = {
    "[data-passkey]": "passkeys",
    "input[data-shows]": "choices",
    "input[data-uploads]": "uploads",
    "textarea[data-prompt]": "variables",
    "[data-pick]": "picks",
    "[data-request]": "request-keys",
    "[role=tab]": "tabs",
    "[data-run][data-seq]": "run-live",
    "body[data-team]": "feed",
    "[hx-get], [hx-post]": "htmx",
}
NAMES = "() => Object.getOwnPropertyNames(window)"
LOADED = """() => performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname)
    .filter((path) => path.endsWith(".js"))"""
ENTRY = "() => [...document.querySelectorAll('script')].map((script) => new URL(script.src).pathname)"

__all__ = ["no_page_forgotten"]


def without_hash(address: str) -> str:
    return re.sub(r"\.[0-9a-f]{12}(?=\.js)", "", address.partition("/static/")[2])


def complaints(page: Page, path: str, bare: set[str]) -> tuple[str, list[str]]:
    """Return the entry of the page, and what is wrong with the scripts that it loaded."""
    page.goto(path, wait_until="load")
    if page.locator(".swagger-ui").count():
        return "", []  # the API's reference brings a library of its own
    (entry,) = (without_hash(address) for address in page.evaluate(ENTRY))
    name = entry.removeprefix("js/pages/").removesuffix(".js")
    loaded = {without_hash(address) for address in page.evaluate(LOADED)}
    meant = set(scripts.modules_of(name))
    found = [f"{path} left {global_name}" for global_name in set(page.evaluate(NAMES)) - bare]
    found += [f"{path} loaded {module}" for module in loaded ^ meant]
    found += [
        f"{path} has {selector} without {module}"
        for selector, module in NEEDS.items()
        if f"js/{module}.js" not in meant and page.locator(selector).count()
    ]
    return name, found


@pytest.fixture
def run(no_page_forgotten: Rows) -> Run:
    return Run.objects.filter(status=RunStatus.SUCCEEDED).latest("created_at")


def test_every_page_loads_only_its_entry_and_leaves_no_name(
    open_page: Open, alice: User, no_page_forgotten: Rows, run: Run
) -> None:
    client = Client()
    client.force_login(alice)
    shared = f"/share/{shares.share_run(run=run, actor=alice)[1]}/"
    for_anyone = [*pages(Client(), no_page_forgotten), shared]
    team = [path for path in pages(client, no_page_forgotten) if path not in for_anyone]
    entries = ENTRIES | {f"/t/acme/runs/{run.pk}/": "run", shared: "shared-run"}
    seen: dict[str, str] = {}
    wrong: list[str] = []

    for page, paths in [(open_page(), for_anyone), (open_page(alice), [*team, f"/t/acme/runs/{run.pk}/"])]:
        page.goto("/health/live/")
        bare = set(page.evaluate(NAMES))
        for path in paths:
            seen[path], found = complaints(page, path, bare)
            wrong += found

    assert wrong == []
    assert {path: seen.get(path) for path in entries} == entries
    assert len(seen) > 40
