from __future__ import annotations

import json
import re

import pytest
from django.conf import settings as product
from django.core import mail
from django.test import Client

from accounts.models import Role, Team, User
from tests.factories import PASSWORD, AgentFactory, MembershipFactory, UserFactory

POLICY = {"style-src 'self'", "default-src 'none'", "frame-ancestors 'none'"}


def test_the_front_door_says_what_this_is(client, db):
    answer = client.get("/")

    assert answer.status_code == 200
    assert "Hire a hand. Keep the say." in answer.content.decode()
    assert set(answer.headers["Content-Security-Policy"].split("; ")) >= POLICY
    assert client.head("/").status_code == 200


@pytest.mark.parametrize(
    ("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("system", "system"), ('"><script>', "system")]
)
def test_the_server_prints_the_theme(client, db, cookie, theme):
    client.cookies["theme"] = cookie

    assert f'<html lang="en" data-theme="{theme}">' in client.get("/").content.decode()


@pytest.fixture
def demo(db, settings, tmp_path) -> User:
    settings.VAR_DIR = tmp_path
    (tmp_path / "demo.json").write_text(json.dumps({"email": "demo@deskhand.local"}))
    return MembershipFactory(user=UserFactory(email="demo@deskhand.local")).user


def test_one_click_opens_the_demo(client, demo, settings):
    settings.DEMO_SIGN_IN = True

    assert "Try the demo" in client.get("/").content.decode()
    assert client.post("/demo/").headers["Location"] == "/home/"
    assert client.session["_auth_user_id"] == str(demo.pk)


@pytest.mark.parametrize("damage", ["switched off", "no file", "garbage", "operator", "nobody"])
def test_there_is_no_demo_where_it_is_not_wanted(client, demo, settings, tmp_path, damage):
    settings.DEMO_SIGN_IN = damage != "switched off"
    if damage == "no file":
        (tmp_path / "demo.json").unlink()
    elif damage == "garbage":
        (tmp_path / "demo.json").write_text("{")
    elif damage == "operator":
        User.objects.update(is_staff=True)
    elif damage == "nobody":
        User.objects.all().delete()

    assert "Try the demo" not in client.get("/").content.decode()
    assert client.post("/demo/").status_code == 404
    assert "_auth_user_id" not in client.session


def test_the_demo_is_off_unless_asked_for():
    assert product.DEMO_SIGN_IN is False


def test_the_demo_needs_a_token_of_ours(demo, settings):
    settings.DEMO_SIGN_IN = True

    answer = Client(enforce_csrf_checks=True).post("/demo/")

    assert answer.status_code == 403
    assert "The form is out of date" in answer.content.decode()


def test_home_is_the_last_team_then_the_own_one(client, alice, team):
    own = Team.objects.create(name="Own", slug="own", is_personal=True)
    MembershipFactory(team=own, user=alice)
    for somewhere in (own, team):
        AgentFactory(team=somewhere)
    client.force_login(alice)

    assert client.get("/home/").headers["Location"] == "/t/own/"

    client.get("/t/acme/")
    assert client.get("/home/").headers["Location"] == "/t/acme/"


def test_home_of_a_new_team_starts_with_a_role(client, alice, team):
    client.force_login(alice)

    assert client.get("/home/").headers["Location"] == "/t/acme/start/"


def test_home_of_a_new_team_is_quiet_for_those_who_only_look(client, team):
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)

    assert client.get("/home/").headers["Location"] == "/t/acme/"


def test_home_without_a_team_leads_to_making_one(client, db):
    client.force_login(UserFactory())

    answer = client.get("/home/", follow=True)

    assert answer.redirect_chain == [("/teams/new/", 302)]
    assert "You’re not in a team." in answer.content.decode()


def test_the_styleguide_is_for_operators(client, alice):
    client.force_login(alice)
    assert client.get("/styleguide/").status_code == 302

    alice.is_staff = True
    alice.save()
    assert client.get("/styleguide/").status_code == 200


def test_an_error_page_names_the_request(client, db):
    answer = client.get("/nope/", headers={"X-Request-Id": "my-request-0001"})

    assert answer.status_code == 404
    assert 'data-copy="my-request-0001"' in answer.content.decode()


def test_an_error_inside_a_team_keeps_the_way_around(client, alice):
    client.force_login(alice)

    shown = client.get("/t/acme/agents/01980000-0000-7000-8000-000000000000/").content.decode()

    assert "Not found" in shown
    assert 'class="sidebar"' in shown


def test_a_fragment_gets_a_fragment(client, db):
    shown = client.get("/nope/", headers={"HX-Request": "true"}).content.decode()

    assert shown.startswith('<div class="banner banner-bad" role="alert">')


def test_a_broken_page_asks_the_database_for_nothing(rf, db, django_assert_num_queries):
    from config.errors import server_error

    request = rf.get("/t/acme/")
    with django_assert_num_queries(0):
        answer = server_error(request)

    assert answer.status_code == 500
    assert "This is our fault" in answer.content.decode()


class TestAccounts:
    """Pages of allauth in our design and words."""

    def test_signing_up_confirming_and_signing_in(self, client, db):
        password = "a good long password"
        answer = client.post("/accounts/signup/", {"email": "new@example.com", "password1": password}, follow=True)
        assert "Check your mail" in answer.content.decode()

        link = re.search(r"https?://[^/\s]+(/accounts/confirm-email/\S+)", mail.outbox[0].body)[1]
        assert mail.outbox[0].subject == "Confirm your email address"
        assert "Confirm your email" in client.get(link).content.decode()
        client.post(link)

        client.logout()
        client.post("/accounts/login/", {"login": "new@example.com", "password": password})
        assert client.session["_auth_user_id"] == str(User.objects.get(email="new@example.com").pk)

    def test_a_forgotten_password(self, client, alice):
        answer = client.post("/accounts/password/reset/", {"email": "alice@example.com"}, follow=True)
        assert "Check your mail" in answer.content.decode()

        link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", mail.outbox[0].body)[1]
        form = client.get(link, follow=True)
        assert "Choose a password" in form.content.decode()

        client.post(form.request["PATH_INFO"], {"password1": "another good one", "password2": "another good one"})
        alice.refresh_from_db()
        assert alice.check_password("another good one")
        assert "This link no longer works" in client.get(link, follow=True).content.decode()

    def test_an_unknown_address_looks_the_same(self, client, alice):
        known = client.post("/accounts/password/reset/", {"email": "alice@example.com"}, follow=True)
        unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.com"}, follow=True)

        assert self._told(known) == self._told(unknown)

    @staticmethod
    def _told(answer) -> str:
        return re.search(r"<main.*</main>", answer.content.decode(), re.DOTALL)[0]

    def test_a_wrong_password_is_said_and_keeps_the_address(self, client, alice):
        shown = client.post("/accounts/login/", {"login": "alice@example.com", "password": "wrong"}).content.decode()

        assert 'value="alice@example.com"' in shown
        assert "This address and this password do not go together." in shown
        assert 'value="wrong"' not in shown

    @pytest.mark.parametrize(
        "path", ["login/", "signup/", "password/reset/", "password/reset/done/", "confirm-email/", "inactive/"]
    )
    def test_pages_for_strangers(self, client, db, path):
        answer = client.get(f"/accounts/{path}")

        assert answer.status_code == 200
        assert 'class="auth"' in answer.content.decode()

    @pytest.mark.parametrize("path", ["email/", "password/change/", "logout/", "reauthenticate/"])
    def test_pages_for_people_who_are_signed_in(self, client, alice, path):
        client.login(email="alice@example.com", password=PASSWORD)

        answer = client.get(f"/accounts/{path}")

        assert answer.status_code == 200
        assert 'class="auth"' in answer.content.decode()
