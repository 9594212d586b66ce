"""Fixtures of all tests. Services start before Django, because pytest-django reads the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import django
import pytest

from tests import services
from tests.browser import find_chromium
from tests.standins.oauth import OAuthStandIn

services.provide()
# The settings read the addresses of sign-in providers, so the stand-in starts before them.
PROVIDER = OAuthStandIn()
os.environ |= PROVIDER.environment
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
# Removed again: pytest-xdist's workers inherit it, and pytest-django would read the settings too early there.
del os.environ["DJANGO_SETTINGS_MODULE"]

from django.conf import settings
from django.core.cache import cache
from django.test import Client, TransactionTestCase
from pytest_django import DjangoDbBlocker

from accounts.models import Role, Team, User
from tasks.live import hub
from tests import flush
from tests.factories import MembershipFactory, TeamFactory


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make nothing: DATABASE_URL names this process's copy of the migrated database."""
    with pytest.MonkeyPatch.context() as patch:
        with django_db_blocker.unblock():
            flush.remember_migrated_rows()
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: flush.empty_tables())
        yield


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    """Delete this process's Valkey keys, so that calls of earlier tests count against no limit."""
    keys: Any = cache._cache.get_client(write=True)  # type: ignore[attr-defined]
    if names := list(keys.scan_iter(f"{settings.REDIS_PREFIX}*")):
        keys.delete(*names)


@pytest.fixture
def provider() -> OAuthStandIn:
    """Stand-in of Google and GitHub on loopback; `provider.identity` is the person who signs in there."""
    PROVIDER.reset()
    return PROVIDER


@pytest.fixture
async def closed_hub() -> AsyncIterator[None]:
    """Close the live hub of the test's loop before the loop, as the server does."""
    yield
    await hub.close_hub()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests by folder. Without a browser the browser tests are left out, and the report's first line says so."""
    for item in items:
        for folder in ("e2e", "faults", "races"):
            if folder in item.path.parts:
                item.add_marker(folder)
    spread(items, {item for item in items if item.get_closest_marker("faults")})
    browser_tests = [item for item in items if item.get_closest_marker("e2e")]
    # Browser tests run last: their driver leaves an event loop running in this thread, so no other loop could start.
    items.sort(key=lambda item: item in browser_tests)
    if browser_tests and not find_chromium():
        items[:] = [item for item in items if item not in browser_tests]
        config.hook.pytest_deselected(items=browser_tests)
        print(f"\n{len(browser_tests)} browser tests are left out: there is no Chromium on this machine.")


def spread(items: list[pytest.Item], waiting: set[pytest.Item]) -> None:
    """Put the files of tests that mostly wait evenly between the others, for processes that work side by side."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    rest = [path for path, found in files.items() if found[0] not in waiting]
    slow = [path for path, found in files.items() if found[0] in waiting]
    place = {path: float(n) for n, path in enumerate(rest)}
    place |= {path: n * len(rest) / len(slow) - 0.5 for n, path in enumerate(slow)}
    items[:] = [item for path in sorted(files, key=place.__getitem__) for item in files[path]]


def pytest_unconfigure() -> None:
    services.stop()


# ---- People: alice owns the acme team, bob is a member of it, charlie is in another team and must get nothing.


@pytest.fixture
def team(db: None) -> Team:
    return TeamFactory(name="Acme", slug="acme")


@pytest.fixture
def other_team(db: None) -> Team:
    return TeamFactory(name="Elsewhere", slug="elsewhere")


@pytest.fixture
def alice(team: Team) -> User:
    return MembershipFactory(team=team, role=Role.OWNER, user__email="alice@example.com", user__name="Alice").user


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    """Alice's browser session."""
    client.force_login(alice)
    return client


@pytest.fixture
def bob(team: Team) -> User:
    return MembershipFactory(team=team, role=Role.MEMBER, user__email="bob@example.com", user__name="Bob").user


@pytest.fixture
def charlie(other_team: Team) -> User:
    return MembershipFactory(
        team=other_team, role=Role.OWNER, user__email="charlie@example.com", user__name="Charlie"
    ).user
