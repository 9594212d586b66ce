"""Refusals in every format: a page, a fragment for htmx, problem+json for the API. None reveals internals."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.http import require_POST

from accounts.errors import InvalidInput, LimitReached
from config import errors, urls
from config.pages import health
from tests.factories import UserFactory

SECRET = "password=hunter2 at /srv/deskhand/config"
RAISED = {
    "broken": RuntimeError(SECRET),
    "away": OperationalError(SECRET),
    "full": OSError(errno.ENOSPC, SECRET),
    "unreadable": OSError(errno.EIO, SECRET),
    "forbidden": PermissionDenied(SECRET),
    "huge": RequestDataTooBig(SECRET),
    "input": InvalidInput("The name is too long."),
    "limit": LimitReached("3 of 3 agents are in use."),
}


def fails(request: HttpRequest, how: str) -> HttpResponse:
    raise RAISED[how]


@require_POST
def only_post(request: HttpRequest) -> HttpResponse:
    return HttpResponse("posted")


async def fails_in_the_loop(request: HttpRequest) -> HttpResponse:
    raise RAISED["broken"]


def too_often(request: HttpRequest) -> HttpResponse:
    return errors.too_many(request)


BROKEN = [
    path("fails/<str:how>/", fails),
    path("loop/", fails_in_the_loop),
    path("post/", only_post),
    path("often/", too_often),
]
urlpatterns = [*urls.urlpatterns, *BROKEN, *(path(f"api/v1/{entry.pattern}", entry.callback) for entry in BROKEN)]
handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler500 = urls.handler500
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]

WRONG: list[tuple[str, int, str]] = [
    ("fails/huge/", 413, "too_large"),
    ("fails/forbidden/", 403, "forbidden"),
    ("fails/input/", 422, "invalid_input"),
    ("fails/limit/", 402, "plan_limit_reached"),
    ("fails/broken/", 500, "internal"),
    ("loop/", 500, "internal"),
    ("fails/away/", 503, "unavailable"),
    ("fails/full/", 503, "unavailable"),
    ("fails/unreadable/", 500, "internal"),
    ("nowhere/", 404, "not_found"),
    ("post/", 405, "method_not_allowed"),
    ("often/", 429, "throttled"),
]


@pytest.fixture
def anyone() -> Client:
    return Client(raise_request_exception=False)


def text(answer: Any) -> str:
    shown: str = answer.content.decode()
    assert SECRET not in shown
    assert "Traceback" not in shown
    assert "RuntimeError" not in shown
    return shown


@pytest.mark.attack(58)
@pytest.mark.parametrize(("where", "status", "code"), WRONG)
def test_the_api_says_it_as_problem_json(anyone: Client, where: str, status: int, code: str) -> None:
    answer = anyone.get(f"/api/v1/{where}", headers={"X-Request-Id": "my-request-0001"})

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert (document["status"], document["code"], document["type"]) == (status, code, f"/docs/errors/#{code}")
    assert document["request_id"] == answer["X-Request-Id"] == "my-request-0001"
    text(answer)


@pytest.mark.attack(58)
@pytest.mark.parametrize(("where", "status", "code"), WRONG)
def test_a_browser_gets_a_page(anyone: Client, where: str, status: int, code: str) -> None:
    answer = anyone.get(f"/{where}", headers={"X-Request-Id": "my-request-0001"})

    assert answer.status_code == status
    assert text(answer).startswith("<!doctype html>")
    assert 'data-copy="my-request-0001"' in text(answer)
    assert text(answer).count("<h1") == 1


@pytest.mark.parametrize(("where", "status", "code"), WRONG)
def test_htmx_gets_a_fragment(anyone: Client, where: str, status: int, code: str) -> None:
    answer = anyone.get(f"/{where}", headers={"HX-Request": "true", "X-Request-Id": "my-request-0001"})

    assert answer.status_code == status
    assert text(answer).startswith('<div class="banner banner-bad" role="alert">')
    assert "my-request-0001" in text(answer)


def test_what_comes_with_a_refusal_stays(anyone: Client) -> None:
    assert anyone.get("/post/")["Allow"] == anyone.get("/api/v1/post/")["Allow"] == "POST"
    assert anyone.get("/fails/away/")["Retry-After"] == "5"
    assert anyone.get("/often/")["Retry-After"] == "60"


@pytest.mark.parametrize("address", ["/", "/nowhere/", "/api/v1/runs/", "/api/v1/nowhere/", "/accounts/login/"])
@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "localhost:80:80", "a b"])
def test_another_host_is_refused_everywhere(anyone: Client, address: str, host: str) -> None:
    answer = anyone.get(address, headers={"Host": host})

    assert answer.status_code == 400
    assert "evil" not in text(answer)
    assert ("json" in answer["Content-Type"]) is address.startswith("/api/")


@pytest.mark.attack(58)
def test_what_watches_over_us_is_for_operators(anyone: Client, alice: Any) -> None:
    """No `/metrics` exists, the admin redirects everybody but staff, and the schema is public on purpose."""
    for who in (None, alice):
        if who:
            anyone.force_login(who)
        for address in ("/metrics", "/metrics/", "/api/metrics/", "/debug/", "/.env", "/.git/config", "/silk/"):
            assert anyone.get(address).status_code in (301, 404), address
        for address in ("/admin/", "/admin/health/", "/admin/accounts/user/", "/admin/tasks/run/", "/styleguide/"):
            answer = anyone.get(address)
            assert answer.status_code in (302, 403), address
            assert b"Deskhand operators" not in answer.content

    operator = Client()
    operator.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert operator.get("/admin/accounts/user/").status_code == 200


@pytest.mark.attack(58)
def test_the_health_page_names_parts_and_nothing_about_them(anyone: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def database() -> str:
        raise health.Down(SECRET)

    monkeypatch.setattr(health, "KEEP_S", 0.0)
    monkeypatch.setattr(health, "REQUIRED", (database,))
    monkeypatch.setattr(health, "OPTIONAL", ())

    answer = anyone.get("/health/ready/")

    assert (answer.status_code, answer.json()) == (503, {"status": "failing", "failing": ["database"]})


def test_a_dead_address_inside_a_team_keeps_the_sidebar_for_members(as_alice, team, charlie):
    inside = as_alice.get("/t/acme/no-such-page/")
    stranger = Client()
    stranger.force_login(charlie)
    outside = stranger.get("/t/acme/no-such-page/")

    assert (inside.status_code, outside.status_code) == (404, 404)
    assert 'href="/t/acme/inbox/"' in inside.text
    assert "Acme" not in outside.text
    assert Client().get("/t/acme/no-such-page/").status_code == 404
