"""Walk of every URL as somebody without access: charlie of another team, and nobody at all.

New URLs are walked without being added here. Those that may answer are listed by name, with the reason.
"""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.settings import api_settings

from tests.architecture.rows import CANARY, Rows
from tests.architecture.walk import ADDRESSES, Address, as_json, paths, values_for

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")
REFUSED = {301, 302, 401, 403, 404, 405, 410}
# Prefixes of routes that anyone may open.
PUBLIC = {
    "": "the landing page",
    "pricing/": "what the plans include",
    "privacy/": "the operator's words",
    "terms/": "the operator's words",
    "contact/": "a message to the operator",
    "robots.txt": "for search engines",
    "demo/": "signs in as the demo person where the operator allows it",
    "accounts/": "sign-in, sign-up, reset: what is behind them needs its own proof",
    "health/": "for load balancers",
    "api/schema/": "describes the API, holds no data",
    "api/docs/": "shows the schema",
    "api/v1/files/received/": "a signed address is the right to send",
    "api/v1/auth/": "takes a password or a refresh token, which is the proof",
    "docs/": "the documentation",
    "styleguide/": "components with sample content; refuses who is not staff by itself",
    "share/": "a token that was handed out is the right to look",
    "s/": "a token that was handed out is the right to look",
    "n/": "a signed link names a person; who is not that person is shown nothing",
    "static/": "style sheets and scripts",
}


def is_public(address: Address) -> bool:
    return address.route == "" or any(address.route.startswith(start) for start in PUBLIC if start)


@pytest.fixture(autouse=True)
def _unlimited_and_quiet(caplog, monkeypatch) -> None:
    """Rate limits and logs switched off. The walk needs thousands of refusals, and a 429 would hide the others."""
    caplog.set_level(logging.CRITICAL, logger="django.request")
    for scope in api_settings.DEFAULT_THROTTLE_RATES:
        monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, scope, "1000000/min")


@pytest.fixture
def rows(alice, team) -> Rows:
    """Team with a marked row of every model."""
    made = Rows(team, alice)
    failed = made.make_all()
    assert [model.__name__ for model in failed] == []
    return made


@pytest.fixture
def outsider(charlie) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(charlie)
    return client


def test_the_walk_sees_the_product():
    assert len(ADDRESSES) > 20
    assert any(address.names_a_row for address in ADDRESSES)


@pytest.mark.attack(1)
@pytest.mark.promise("G16")
def test_an_outsider_gets_nothing_of_another_team(rows, outsider, charlie):
    """Request every URL with every row and method. Each is refused, or answers without a trace of that team."""
    leaks = []
    for address in ADDRESSES:
        outsider.force_login(charlie)  # one of the addresses signs out
        for path, method in itertools.product(paths(address, rows), METHODS):
            response = getattr(outsider, method)(path, **as_json(method, path))
            body = b"".join(response.streaming_content) if response.streaming else response.content
            refused = response.status_code in REFUSED or (not address.names_a_row and response.status_code != 500)
            refused = refused or (is_public(address) and response.status_code != 500)
            if not refused or CANARY.encode() in body.replace(path.encode(), b""):
                leaks.append(f"{method} {path} ({address.name}): {response.status_code}")

    assert "\n".join(leaks) == ""


@pytest.mark.attack(13)
def test_nobody_gets_nothing_unless_the_address_is_public(client):
    client.raise_request_exception = False
    open_to_all = []
    for address in ADDRESSES:
        if is_public(address):
            continue
        for path, method in itertools.product(paths(address, None), METHODS):
            status = getattr(client, method)(path, **as_json(method, path)).status_code
            if status not in REFUSED:
                open_to_all.append(f"{method} {path} ({address.name}): {status}")

    assert open_to_all == []


def test_the_same_rows_are_there_for_their_own_team(rows, alice):
    """Request the same URLs as their owner, who must find most rows. Otherwise the walk would prove nothing."""
    owner = Client(raise_request_exception=False)
    owner.force_login(alice)
    named = [address for address in ADDRESSES if address.names_a_row and not is_public(address)]

    found = {
        address
        for address in named
        if any(owner.get(path, headers={"X-Team": "acme"}).status_code == 200 for path in paths(address, rows))
    }

    assert len(found) >= len(named) / 3


@pytest.mark.attack(1)
@pytest.mark.promise("G16")
def test_unknown_and_foreign_ids_get_the_same_answer(rows, outsider):
    """Compare responses and numbers of queries, which could tell which ids exist."""
    different = []
    for address in (address for address in ADDRESSES if address.names_a_row and not is_public(address)):
        outsider.get(next(paths(address, None)))  # what is asked once for the process or a minute is asked here
        unknown = _asked(outsider, next(paths(address, None)))
        different += [path for path in paths(address, rows) if _asked(outsider, path) != unknown]

    assert different == []


def _asked(client: Client, path: str) -> Any:
    """Return the shape of the response and the number of queries."""
    with CaptureQueriesContext(connection) as queries:
        shape = _shape(client.get(path))
    return shape, len(queries)


@pytest.mark.attack(2)
def test_what_another_team_has_is_not_behind_a_parent_of_ones_own(rows, outsider, charlie, other_team):
    """Request URLs of two rows, one of them the caller's. Whichever is foreign, the request is refused."""
    own = Rows(other_team, charlie, word="valparaiso")
    assert own.make_all() == []
    leaks, tried = [], 0
    for address in ADDRESSES:
        kinds = [(name, kind) for name, kind in address.arguments if kind == "uuid"]
        if len(kinds) < 2 or is_public(address):
            continue
        for foreign, method in itertools.product(kinds, METHODS):
            tried += 1
            path = _mixed(address, rows, own, foreign)
            response = getattr(outsider, method)(path, **as_json(method, path))
            if response.status_code not in REFUSED or CANARY in str(response.headers):
                leaks.append(f"{method} {path} with a foreign {foreign[0]}: {response.status_code}")

    assert leaks == []
    assert tried >= 50


def _mixed(address: Address, theirs: Rows, own: Rows, foreign: tuple[str, str]) -> str:
    """Return the URL with one foreign id; all else is the caller's own."""
    filled = address.route
    for name, kind in address.arguments:
        rows = theirs if (name, kind) == foreign else own
        value = "elsewhere" if name in ("team", "slug") else values_for(name, kind, rows, address.model)[0]
        filled = filled.replace(f"<uuid:{name}>", value).replace(f"<slug:{name}>", value).replace(f"<int:{name}>", "1")
    return f"/{filled}"


@pytest.mark.attack(13)
def test_no_beginning_of_an_address_opens_another_one(rows, client):
    """Request private URLs in other spellings: public prefixes, `..`, double slashes and encodings."""
    client.raise_request_exception = False
    inside = ("t/acme/", "api/v1/runs/", "api/v1/audit/", "admin/accounts/user/", "t/acme/settings/audit/export/")
    ways = ["{0}", "/{0}", "./{0}", "%2e/{0}", "{0}?next=/", "{0};.css", "{0}%00.png", "{0}.json", "{0}../{0}"]
    ways += [f"{start}{up}{{0}}" for start in PUBLIC if start for up in ("../", "..%2f", "%2e%2e/", "../" * 4)]
    opened = []
    for way, target in itertools.product(ways, inside):
        path = "/" + way.format(target)
        response = client.get(path)
        if response.status_code not in REFUSED | {400} or CANARY.encode() in response.content:
            opened.append(f"{path}: {response.status_code}")

    assert opened == []


@pytest.mark.attack(13)
def test_the_admin_is_closed_to_who_is_no_operator(rows, client, alice):
    paths_of_admin = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")
        for model in admin.site._registry
        for page in ("changelist", "add")
    ] + ["/admin/", "/admin/health/", "/admin/jsi18n/", "/admin/autocomplete/"]
    for path in paths_of_admin:
        for method in ("get", "post"):
            refused = {302, 403, 404} if method == "get" else {401, 403, 404}
            assert getattr(client, method)(path).status_code in refused, path
    client.force_login(alice)
    for path in paths_of_admin:
        for method in ("get", "post"):
            response = getattr(client, method)(path)
            assert response.status_code in {302, 403, 404}, path
            assert CANARY.encode() not in response.content


def _shape(response: Any) -> Any:
    """Return the response without what differs every time."""
    if "json" in response.headers.get("Content-Type", ""):
        return response.status_code, {key: value for key, value in response.json().items() if key != "request_id"}
    return response.status_code
