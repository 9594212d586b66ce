"""Public pages, and the contact form."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.mail import send_next
from accounts.models import OutgoingMail, User
from billing.plans import PLANS
from tests.factories import UserFactory
from tests.html import Page

pytestmark = pytest.mark.django_db
MESSAGE = {"email": "carla@example.com", "message": "Can we have <b>more</b> runs?\nThank you."}
_addresses = (f"10.30.0.{n}" for n in count(1))


@pytest.fixture
def client() -> Client:
    """Client with an address of its own, because messages are counted by address."""
    return Client(REMOTE_ADDR=next(_addresses))


@pytest.fixture
def operator() -> User:
    made: User = UserFactory(email="operator@example.com", is_staff=True, is_superuser=True)
    UserFactory(is_staff=True, is_superuser=True, is_active=False)
    UserFactory()
    return made


def delivered() -> list[Any]:
    while send_next():
        pass
    return mail.outbox


@pytest.mark.parametrize("path", ["/", "/pricing/", "/privacy/", "/terms/", "/contact/", "/contact/sent/"])
def test_each_page_has_its_title_and_the_way_to_the_others(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    page = Page(answer.content.decode())
    links = {tag.get("href") for tag in page.all("a")}
    assert links >= {"/", "/pricing/", "/privacy/", "/terms/", "/contact/", "/api/docs/", "/docs/errors/"}
    assert len(page.all("h1")) == 1


def test_the_pages_that_can_be_found_have_titles_and_descriptions_of_their_own(client: Client) -> None:
    shown = [client.get(path).content.decode() for path in ("/", "/pricing/", "/privacy/", "/terms/", "/contact/")]

    titles = {text.partition("<title>")[2].partition("</title>")[0] for text in shown}
    descriptions = {
        meta["content"] for text in shown for meta in Page(text).all("meta") if meta.get("name") == "description"
    }
    assert (len(titles), len(descriptions)) == (5, 5)


def test_the_prices_are_those_of_the_plan_table(client: Client) -> None:
    text = " ".join(Page(client.get("/pricing/").content.decode()).text.split())

    for plan in PLANS.values():
        assert plan.name in text
        assert plan.price_usd is None or f"${plan.price_usd}" in text
    assert "1 agent200 runs a month" in text
    assert "10 agents5,000 runs a month" in text
    assert "1 GB of files" in text
    assert "Unlimited files" in text
    assert "There is no checkout here yet." in text


@pytest.mark.parametrize("plan", PLANS)
def test_the_plan_that_a_team_starts_with_is_the_one_to_take(client: Client, settings: Any, plan: str) -> None:
    settings.DEFAULT_PLAN = plan

    shown = client.get("/pricing/").content.decode()

    assert f"a new team starts with {PLANS[plan].name};" in shown
    assert {key for key in PLANS if f"/contact/?plan={key}" in shown} == set(PLANS) - {plan}


def test_asking_for_a_plan_begins_the_message(client: Client) -> None:
    assert "We would like the Pro plan." in client.get("/contact/?plan=pro").content.decode()
    assert "We would like" not in client.get("/contact/?plan=<b>").content.decode()


def test_a_message_reaches_the_operators_and_can_be_answered(client: Client, operator: User) -> None:
    answer = client.post("/contact/", MESSAGE)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/contact/sent/")
    (sent,) = delivered()
    assert (sent.to, sent.subject) == (["operator@example.com"], "Message from carla@example.com")
    assert sent.extra_headers["Reply-To"] == "carla@example.com"
    assert "Can we have <b>more</b> runs?\nThank you." in sent.body
    html = str(sent.alternatives[0][0])
    assert "&lt;b&gt;more&lt;/b&gt;" in html


def test_a_message_goes_to_the_address_that_is_set(client: Client, operator: User, settings: Any) -> None:
    settings.CONTACT_EMAIL = "hello@example.com"

    client.post("/contact/", MESSAGE)

    assert OutgoingMail.objects.get().to == "hello@example.com"


def test_where_nobody_reads_it_says_so(client: Client) -> None:
    answer = client.post("/contact/", MESSAGE)

    assert answer.status_code == 503
    assert "Nobody reads messages here yet." in answer.content.decode()


def test_who_is_signed_in_is_named(client: Client, operator: User, alice: User) -> None:
    client.force_login(alice)
    assert 'value="alice@example.com"' in client.get("/contact/").content.decode()

    client.post("/contact/", MESSAGE)

    assert "signed in as alice@example.com" in delivered()[0].body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@example.com\nBcc: b@example.com"),
        ("message", ""),
        ("message", "x" * 4001),
    ],
)
def test_what_does_not_fit_is_said_and_kept(client: Client, operator: User, field: str, value: str) -> None:
    answer = client.post("/contact/", MESSAGE | {field: value})

    assert answer.status_code == 422
    assert f'id="id_{field}-error"' in answer.content.decode()
    assert OutgoingMail.objects.exists() is False


def test_a_program_that_fills_in_everything_is_thanked_and_not_heard(client: Client, operator: User) -> None:
    answer = client.post("/contact/", MESSAGE | {"website": "https://spam.example"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/contact/sent/")
    assert OutgoingMail.objects.exists() is False


def test_messages_from_one_address_are_limited(client: Client, operator: User) -> None:
    statuses = [
        client.post("/contact/", MESSAGE, headers={"X-Forwarded-For": f"9.9.9.{n}"}).status_code for n in range(6)
    ]

    assert statuses == [302] * 5 + [429]
    assert OutgoingMail.objects.count() == 5


def test_a_form_of_another_site_sends_nothing(operator: User) -> None:
    answer = Client(enforce_csrf_checks=True).post("/contact/", MESSAGE)

    assert answer.status_code == 403
    assert OutgoingMail.objects.exists() is False


def test_an_operator_may_replace_a_page(client: Client, settings: Any, tmp_path: Path) -> None:
    own = '{% extends "layouts/public.html" %}{% block content %}Our own.{% endblock %}'
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "terms.html").write_text(own)
    first, *others = settings.TEMPLATES[0]["DIRS"]
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path, *others]}]

    assert first == settings.VAR_DIR / "templates"
    assert "Our own." in client.get("/terms/").content.decode()


def test_robots_stay_outside(client: Client) -> None:
    answer = client.get("/robots.txt")

    assert answer["Content-Type"].startswith("text/plain")
    assert "Disallow: /t/" in answer.content.decode()
    assert "Disallow: /pricing" not in answer.content.decode()
