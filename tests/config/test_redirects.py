"""Redirects: none drops the method or the body of a request."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rest_framework.settings import api_settings

from accounts.models import Team, User
from tasks.models import Run, Task
from tests.architecture.walk import ADDRESSES, Address, as_json, paths
from tests.calling import Api, api_of
from tests.factories import AgentFactory, TaskFactory

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
UNSAFE = ("post", "put", "patch", "delete")
BY_DESIGN = {
    "accounts/": "forms of allauth that lead to the next step of signing in or up",
    "invitations/": "one button; the invitation is kept in the session and comes first after the sign-in",
    "demo/": "one button that signs in",
}
"""Addresses that by design answer an anonymous unsafe request with 302."""


@pytest.fixture(autouse=True)
def _unlimited(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.CRITICAL, logger="django.request")
    for scope in api_settings.DEFAULT_THROTTLE_RATES:
        monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, scope, "1000000/min")


@pytest.fixture
def task(team: Team) -> Task:
    made: Task = TaskFactory(agent=AgentFactory(team=team))
    return made


def without_slash(address: Address) -> list[str]:
    return [path.rstrip("/") for path in paths(address, None) if path.endswith("/") and path != "/"]


class TestTheLastSlash:
    def test_a_run_is_started_without_it(self, team: Team, alice: User, task: Task) -> None:
        api, body = api_of(alice, team), {"task": str(task.pk)}

        made = api.send("POST", "/api/v1/runs", body, Idempotency_Key="once-and-no-more")
        again = api.send("POST", "/api/v1/runs/", body, Idempotency_Key="once-and-no-more")

        assert (made.status_code, again.status_code) == (201, 201)
        assert made.json()["id"] == again.json()["id"] == str(Run.objects.get().pk)

    def test_the_api_takes_every_method_without_it(self, team: Team, alice: User) -> None:
        api = api_of(alice, team)
        key = api.send("POST", "/api/v1/api-keys", {"name": "CI", "scopes": ["runs:read"]}).json()

        assert [row["name"] for row in api.get("/api/v1/api-keys?limit=1").json()["results"]] == ["CI"]
        assert api.send("PATCH", "/api/v1/me", {"name": "Alice B."}).json()["name"] == "Alice B."
        assert api.delete(f"/api/v1/api-keys/{key['id']}").status_code == 204
        assert api.get(f"/api/v1/api-keys/{key['id']}/").json()["revoked_at"] is not None

    def test_what_does_not_exist_is_no_redirect(self, team: Team, alice: User) -> None:
        answer = api_of(alice, team).send("POST", "/api/v1/nothing", {})

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_a_page_keeps_the_method_and_the_body(self, client: Client, alice: User) -> None:
        client.force_login(alice)

        answer = client.post("/t/acme/settings/profile?x=1", {"name": "Alice B.", "hue": "teal"})
        followed = client.post("/t/acme/settings/profile", {"name": "Alice B.", "hue": "teal"}, follow=True)

        assert (answer.status_code, answer["Location"]) == (308, "/t/acme/settings/profile/?x=1")
        assert [status for _, status in followed.redirect_chain] == [308, 302]
        alice.refresh_from_db()
        assert alice.name == "Alice B."
        assert client.get("/t/acme/settings/profile").status_code == 301

    def test_a_link_of_a_mail_that_a_mail_program_posts_to_keeps_the_body(self, client: Client) -> None:
        answer = client.post("/n/off/a-token", {"List-Unsubscribe": "One-Click"})

        assert (answer.status_code, answer["Location"]) == (308, "/n/off/a-token/")

    def test_debug_changes_nothing(self, client: Client, settings: Any) -> None:
        settings.DEBUG = True

        assert client.post("/contact", {}).status_code == 308

    @pytest.mark.parametrize("signed_in", [False, True])
    def test_no_address_takes_a_body_away(self, client: Client, alice: User, signed_in: bool) -> None:
        if signed_in:
            client.force_login(alice)
        tried, losing = 0, []
        for address in ADDRESSES:
            for path, method in itertools.product(without_slash(address), UNSAFE):
                tried += 1
                answer = getattr(client, method)(path, **as_json(method, path))
                if answer.status_code in (301, 302, 303):
                    losing.append(f"{method} {path}: {answer.status_code}")

        assert losing == []
        assert tried > 500

    def test_a_large_upload_is_taken_without_it(self, settings: Any) -> None:
        from config.server.body_guard import BodyGuard

        guard = BodyGuard(lambda *_: None, upload_paths=settings.UPLOAD_PATHS)  # type: ignore[arg-type,return-value]
        uploads = [
            "/api/v1/files",
            "/api/v1/files/received/abc",
            "/t/acme/files",
            "/t/acme/runs/new",
            "/t/acme/tasks/1",
        ]

        for path in [path + slash for path in uploads for slash in ("", "/")]:
            assert any(pattern.fullmatch(path) for pattern in guard.upload_paths), path
        for path in ("/api/v1/filesystem", "/api/v1/files/1/complete", "/t/acme", "/t/acme/tasks"):
            assert not any(pattern.fullmatch(path) for pattern in guard.upload_paths), path


class TestTls:
    def test_a_body_survives_the_way_to_https(self) -> None:
        """A process of its own has the settings of a server behind a proxy."""
        program = (
            "import django, json; django.setup()\n"
            "from django.test import Client\n"
            "plain = Client(headers={'Host': 'desk.example.com', 'X-Forwarded-Proto': 'http',"
            " 'X-Forwarded-For': '203.0.113.9'})\n"
            "found = [(m, a.status_code, a['Location']) for m in ('get', 'head', 'post', 'put', 'patch', 'delete')\n"
            "  for a in [getattr(plain, m)('/api/v1/runs/?limit=1')]]\n"
            "print(json.dumps(found))"
        )
        environment = os.environ | {
            "BASE_URL": "https://desk.example.com",
            "ALLOWED_HOSTS": "desk.example.com",
            "TRUSTED_PROXY_COUNT": "1",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }

        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
        )

        assert done.returncode == 0, done.stderr
        safe, target = {"get", "head"}, "https://desk.example.com/api/v1/runs/?limit=1"
        methods = ("get", "head", "post", "put", "patch", "delete")
        assert json.loads(done.stdout) == [[m, 301 if m in safe else 308, target] for m in methods]


class TestAnEndedSession:
    def test_a_form_is_refused_and_not_led_away(self, client: Client, team: Team, task: Task) -> None:
        form = f"http://testserver/t/acme/tasks/{task.pk}/?tab=run"
        answer = client.post("/t/acme/runs/new/", {"task": str(task.pk)}, headers={"Referer": form})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert "You are signed out" in answer.content.decode()
        assert f'href="/accounts/login/?next=%2Ft%2Facme%2Ftasks%2F{task.pk}%2F%3Ftab%3Drun"' in answer.content.decode()
        assert Run.objects.exists() is False

    @pytest.mark.parametrize("came_from", ["", "https://evil.test/t/acme/", "//evil.test/", "javascript:alert(1)"])
    def test_the_way_back_leads_nowhere_else(self, client: Client, team: Team, came_from: str) -> None:
        answer = client.post("/t/acme/runs/new/", headers={"Referer": came_from})

        assert answer.status_code == 401
        assert 'href="/accounts/login/"' in answer.content.decode()
        assert "evil" not in answer.content.decode()

    def test_htmx_gets_a_fragment(self, client: Client, team: Team) -> None:
        answer = client.post("/t/acme/runs/new/", headers={"HX-Request": "true"})

        assert answer.status_code == 401
        assert answer.content.decode().startswith('<div class="banner banner-bad" role="alert">')

    def test_reading_still_leads_to_the_sign_in_page(self, client: Client, team: Team) -> None:
        answer = client.get("/t/acme/?x=1")

        assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/t/acme/%3Fx%3D1")

    def test_no_address_answers_a_body_with_the_sign_in_page(self, client: Client) -> None:
        losing = []
        for address in ADDRESSES:
            if any(address.route.startswith(start) for start in BY_DESIGN):
                continue
            for path, method in itertools.product(paths(address, None), UNSAFE):
                answer = getattr(client, method)(path, **as_json(method, path))
                if answer.status_code in (301, 302, 303):
                    losing.append(f"{method} {path}: {answer['Location']}")

        assert losing == []

    def test_the_admin_keeps_what_an_operator_typed(self, client: Client) -> None:
        assert client.post("/admin/accounts/user/add/", {"email": "x@example.com"}).status_code == 401


def test_an_api_client_follows_nothing(team: Team, alice: User, task: Task) -> None:
    """Regression: curl -L and requests turned the POST into a GET, which answered 200 with a list."""
    api: Api = api_of(alice, team)

    answer = api.post("/api/v1/runs", {"task": str(task.pk)}, content_type="application/json", follow=True)

    assert (answer.redirect_chain, answer.status_code) == ([], 201)
    assert Run.objects.count() == 1
