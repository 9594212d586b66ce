"""Fixtures of all tests. Services start before Django, because pytest-django reads the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
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
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client

from accounts.models import Role, Team, User
from tasks.live import hub
from tests.factories import MembershipFactory, TeamFactory


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Override of pytest-django's fixture: DATABASE_URL already names this process's own copy of the template."""


@pytest.fixture(scope="session", autouse=True)
def _flush_of_the_audit_log() -> Iterator[None]:
    """Patch that lets Django empty the tables after a transactional test, although the audit log refuses TRUNCATE."""
    guarded = ("accounts_auditentry", "accounts_audithead")
    with pytest.MonkeyPatch.context() as patch:
        flush = DatabaseOperations.sql_flush

        def sql_flush(self: Any, style: Any, tables: Any, **more: Any) -> list[str]:
            switch = "ALTER TABLE {} {} TRIGGER accounts_audit_refuse_truncate;"
            off, on = ([switch.format(table, word) for table in guarded] for word in ("DISABLE", "ENABLE"))
            return [*off, *flush(self, style, tables, **more), *on]

        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
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
    browser_tests = [item for item in items if item.get_closest_marker("e2e")]
    # Browser tests run last: their driver leaves an event loop running in this thread, so no other loop could start.
    items.sort(key=lambda item: item in browser_tests)
    if browser_tests and not find_chromium():
        items[:] = [item for item in items if item not in browser_tests]
        config.hook.pytest_deselected(items=browser_tests)
        print(f"\n{len(browser_tests)} browser tests are left out: there is no Chromium on this machine.")


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
