"""Browser security: headers, and requests of other sites."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as product
from django.core import mail
from django.test import Client

from accounts.models import ApiKey, Team, User
from agents.models import Agent
from tests.factories import PASSWORD, AgentFactory, UserFactory

ROOT = Path(__file__).resolve().parents[2]
LOGIN = {"login": "alice@example.com", "password": PASSWORD}
PRODUCTION = {
    "BASE_URL": "https://desk.example.com",
    "ALLOWED_HOSTS": "desk.example.com",
    "TRUSTED_PROXY_COUNT": "1",
    "SECRET_KEY": "a-key-that-is-made-of-seventy-characters-0123456789-abcdefghij-klmnopqrst",
    "EMAIL_URL": "smtp+tls://desk:secret@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "desk@example.com",
}
pytestmark = pytest.mark.django_db


_addresses = (f"10.20.0.{n}" for n in count(1))


@pytest.fixture
def client() -> Client:
    """Client with an address of its own: the limits of sign-in and sign-up are not under test here."""
    return Client(REMOTE_ADDR=next(_addresses))


def in_production(*command: str, settings: str = "config.settings") -> subprocess.CompletedProcess[str]:
    """Run a process with the settings of a server, as docs/settings.md asks for them."""
    environment = os.environ | PRODUCTION | {"DJANGO_SETTINGS_MODULE": settings, "DEBUG": "0"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def script_sources(answer: Any) -> list[str]:
    """Return the sources of scripts in the policy, whatever the order of its directives."""
    directives = (directive.split() for directive in answer["Content-Security-Policy"].split("; "))
    return next(sources for name, *sources in directives if name == "script-src")


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/accounts/login/", "/t/acme/", "/docs/errors/", "/api/docs/", "/nowhere/"])
    def test_a_script_runs_only_with_the_nonce_of_its_answer(self, client: Client, alice: User, path: str) -> None:
        client.force_login(alice)
        seen = set()
        for _ in range(2):
            answer = client.get(path, follow=True)
            (source,) = script_sources(answer)
            nonce = re.fullmatch(r"'nonce-(.+)'", source)[1]
            seen.add(nonce)
            tags = re.findall(r"<script[^>]*>|<link rel=.modulepreload[^>]*>", answer.content.decode())
            assert len(tags) >= 2
            assert [tag for tag in tags if f'nonce="{nonce}"' not in tag or not re.search(r"(src|href)=", tag)] == []

        assert len(seen) == 2
        assert "unsafe" not in answer["Content-Security-Policy"]

    def test_even_the_page_that_says_that_something_broke_has_its_nonce(self, rf: Any) -> None:
        from config.errors import server_error

        request = rf.get("/")
        request.csp_nonce = "n0nce"

        tags = re.findall(r"<script[^>]*>|<link rel=.modulepreload[^>]*>", server_error(request).content.decode())
        assert len(tags) >= 2
        assert [tag for tag in tags if 'nonce="n0nce"' not in tag] == []

    def test_every_answer_names_what_the_browser_may_not_do(self, client: Client, alice: User) -> None:
        client.force_login(alice)
        for path in ("/", "/t/acme/", "/t/acme/settings/profile/", "/api/v1/runs/", "/accounts/login/", "/nowhere/"):
            headers = client.get(path).headers

            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "microphone=()" in headers["Permissions-Policy"]
            assert "no-store" in headers["Cache-Control"]
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "default-src 'none'" in headers["Content-Security-Policy"]

    def test_what_may_be_kept_says_so_itself(self, client: Client) -> None:
        assert "public" in client.get("/api/schema/")["Cache-Control"]

    def test_only_the_admin_takes_scripts_by_their_address(self, client: Client) -> None:
        client.force_login(UserFactory(is_staff=True, is_superuser=True))

        assert script_sources(client.get("/admin/")) == ["'self'"]
        assert "'self'" not in script_sources(client.get("/styleguide/"))


class TestProduction:
    def test_the_deployment_check_finds_nothing(self) -> None:
        done = in_production("manage.py", "check", "--deploy", "--fail-level", "WARNING")

        assert done.returncode == 0, done.stderr
        assert "no issues" in done.stdout

    def test_the_deployment_check_would_find_something(self) -> None:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "short"}
        command = [sys.executable, "-W", "ignore", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

        assert done.returncode == 1
        assert {"security.W004", "security.W009", "security.W012"} <= set(re.findall(r"security\.W\d+", done.stderr))

    def test_https_is_said_by_the_proxy_and_kept_by_the_browser(self) -> None:
        program = """
import django; django.setup()
from django.conf import settings
from django.test import Client
plain = Client(headers={"Host": "desk.example.com"})
safe = Client(headers={"Host": "desk.example.com", "X-Forwarded-Proto": "https"}, enforce_csrf_checks=True)
page = safe.get("/accounts/login/")
names = sorted(page.cookies)
form = {"login": "x@example.com", "password": "y", "csrfmiddlewaretoken": page.cookies[settings.CSRF_COOKIE_NAME].value}
origin = lambda of: safe.post("/accounts/signup/", form, headers={"Origin": of}).status_code
print(plain.get("/accounts/login/")["Location"], plain.get("/health/live/").status_code, page.status_code)
print(page["Strict-Transport-Security"], names, settings.SESSION_COOKIE_NAME)
print([(c["secure"], c["path"], c["domain"], c["samesite"]) for c in page.cookies.values()])
print(origin("https://desk.example.com"), origin("http://desk.example.com"), origin("https://evil.test"))
"""
        done = in_production("-c", program, settings="tests.settings")  # these need no collected files

        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "https://desk.example.com/accounts/login/ 200 200",
            "max-age=31536000; includeSubDomains ['__Host-csrftoken'] __Host-sessionid",
            "[(True, '/', '', 'Lax')]",
            "200 403 403",
        ]


@pytest.fixture
def known(alice: User) -> User:
    """Alice with a confirmed address."""
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return alice


class TestSessions:
    def test_signing_in_takes_no_session_that_was_there_before(self, client: Client, known: User) -> None:
        client.get("/accounts/login/")
        session = client.session
        session["planted"] = True
        session.save()
        before = session.session_key
        client.cookies[product.SESSION_COOKIE_NAME] = before

        client.post("/accounts/login/", LOGIN)

        assert client.session["_auth_user_id"] == str(known.pk)
        assert client.session.session_key != before
        attacker = Client()
        attacker.cookies[product.SESSION_COOKIE_NAME] = before
        assert "_auth_user_id" not in attacker.session

    def test_a_session_that_nobody_made_is_not_taken(self, client: Client, known: User) -> None:
        client.cookies[product.SESSION_COOKIE_NAME] = "chosen-by-an-attacker-0123456789"

        client.post("/accounts/login/", LOGIN)

        assert client.cookies[product.SESSION_COOKIE_NAME].value != "chosen-by-an-attacker-0123456789"

    def test_signing_out_ends_the_session_for_every_copy_of_its_cookie(self, client: Client, known: User) -> None:
        client.post("/accounts/login/", LOGIN)
        copy = client.cookies[product.SESSION_COOKIE_NAME].value

        client.post("/accounts/logout/")

        stolen = Client()
        stolen.cookies[product.SESSION_COOKIE_NAME] = copy
        assert stolen.get("/home/").status_code == 302
        assert "_auth_user_id" not in stolen.session

    def test_the_cookie_is_not_for_scripts(self, client: Client, known: User) -> None:
        client.post("/accounts/login/", LOGIN)

        cookie = client.cookies[product.SESSION_COOKIE_NAME]
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")


AWAY = [
    *("//evil.test", "///evil.test", "https://evil.test", "http:evil.test", "/\\evil.test", "\\\\evil.test"),
    *("https://testserver@evil.test", "javascript:alert(1)", "https://testserver.evil.test/", "/%09/evil.test\n"),
]


class TestOtherSites:
    @pytest.mark.parametrize("target", AWAY)
    @pytest.mark.parametrize("where", ["/accounts/login/", "/accounts/signup/", "/accounts/logout/"])
    def test_next_leads_nowhere_else(self, client: Client, known: User, where: str, target: str) -> None:
        if "logout" in where:
            client.force_login(known)
        form = LOGIN | {"email": f"next-{AWAY.index(target)}@example.com", "password1": "a good long password"}

        shown = client.get(where, {"next": target})
        answer = client.post(where, form | {"next": target})
        by_query = client.post(f"{where}?next={target}", form)

        assert 'href="//evil' not in shown.content.decode()
        for location in (a.headers.get("Location", "/") for a in (shown, answer, by_query)):
            assert re.match(r"/(?![/\\])", location), location

    @pytest.mark.attack(48)
    @pytest.mark.parametrize(
        ("path", "form"),
        [
            ("/t/acme/settings/profile/", {"name": "Mallory"}),
            ("/t/acme/settings/api-keys/", {"name": "Stolen", "scopes": "runs:read", "days": "30"}),
            ("/t/acme/agents/{agent}/let-go/", {}),
            ("/accounts/logout/", {}),
            ("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": "x" * 20, "password2": "x" * 20}),
        ],
    )
    @pytest.mark.parametrize("origin", ["http://evil.test", "null", None])
    def test_a_form_of_another_site_changes_nothing(
        self, team: Team, alice: User, path: str, form: dict[str, str], origin: str | None
    ) -> None:
        agent = AgentFactory(team=team)
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(alice)
        browser.cookies[product.CSRF_COOKIE_NAME] = "a" * 32
        headers = {} if origin is None else {"Origin": origin}
        if origin:  # even with the token, it is another site
            form = form | {"csrfmiddlewaretoken": "a" * 32}

        answer = browser.post(path.format(agent=agent.pk), form, headers=headers)

        assert answer.status_code == 403
        assert "The form is out of date" in answer.content.decode()
        alice.refresh_from_db()
        assert (alice.name, alice.check_password(PASSWORD)) == ("Alice", True)
        assert ApiKey.objects.exists() is False
        assert Agent.objects.filter(pk=agent.pk).exists() is True
        assert browser.session["_auth_user_id"] == str(alice.pk)

    @pytest.mark.attack(48)
    @pytest.mark.parametrize(
        "kind",
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"],
    )
    def test_json_of_another_site_changes_nothing(self, team: Team, alice: User, kind: str) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(alice)
        body = b'{"name": "Stolen", "scopes": ["runs:read"]}'

        answer = browser.generic("POST", "/api/v1/api-keys/", body, kind, headers={"Origin": "http://evil.test"})

        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
        assert ApiKey.objects.exists() is False

    @pytest.mark.attack(48)
    @pytest.mark.parametrize(
        "host", ["evil.test", "testserver.evil.test", "testserver@evil.test", "testserver:80@evil"]
    )
    def test_a_reset_with_an_evil_host_sends_no_mail(self, client: Client, alice: User, host: str) -> None:
        answer = client.post("/accounts/password/reset/", {"email": alice.email}, headers={"Host": host})

        assert answer.status_code == 400
        assert mail.outbox == []

    def test_a_forwarded_host_is_not_believed(self, client: Client, alice: User) -> None:
        forwarded = {"X-Forwarded-Host": "evil.test", "Forwarded": "host=evil.test", "X-Host": "evil.test"}

        answer = client.get("/accounts/password/reset/", headers=forwarded)

        assert "evil.test" not in answer.content.decode()
