"""Parameters that reach for columns, relations or patterns are refused everywhere. Attack case 57."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from accounts.models import Team, User
from tests.architecture.rows import Rows
from tests.config.calls import OF_PATH
from tests.config.test_api_fuzz import _unlimited_and_quiet as quiet  # noqa: F401 - autouse
from tests.config.test_api_fuzz import full_of_things

pytestmark = [pytest.mark.django_db, pytest.mark.attack(57)]
REACHING = [
    *("ordering=password", "ordering=-team__memberships__user__password", "ordering=?", "ordering=pk%00"),
    *("team__x__startswith=a", "user__password__startswith=p", "created_by__password__regex=(a%2B)%2B%24"),
    *(
        "name__regex=(a%2B)%2B%24",
        "id__in=1",
        "name__icontains=a",
        "_connector=OR",
        "__dict__=1",
        "fields=secret_sha256",
    ),
]
PATTERN = "(a+)+$" + "a" * 3000 + "!"


def lists(document: dict[str, Any]) -> list[str]:
    return [path for path, operations in document["paths"].items() if "get" in operations]


def filled(path: str, rows: Rows) -> str:
    """Return the path with ids of existing rows."""
    parts = path.split("/")
    for place, part in enumerate(parts):
        if part.startswith("{"):
            model = OF_PATH.get(parts[place - 1])
            known = rows.of[model].pk if model else "acme" if part == "{slug}" else rows.of[User].pk
            parts[place] = str(known)
    return "/".join(parts)


def test_no_address_takes_a_parameter_that_reaches_elsewhere(team: Team, alice: User) -> None:
    rows, client = full_of_things(team, alice), Client(raise_request_exception=False)
    client.force_login(alice)
    document = client.get("/api/schema/").json()
    wrong, tried = [], 0
    for path in lists(document):
        if path.endswith("/stream/"):  # has `after` like the socket, and tests of its own
            continue
        for query in REACHING:
            tried += 1
            answer = client.get(f"{filled(path, rows)}?{query}")
            if answer.status_code not in (400, 404) or (answer.status_code == 404 and "{" not in path):
                wrong.append(f"{path}?{query}: {answer.status_code}")

    assert wrong == []
    assert tried > 200


def test_a_pattern_in_a_search_is_text_and_takes_no_time(team: Team, alice: User) -> None:
    client = Client()
    client.force_login(alice)
    pages = ["agents/?q=", "tasks/?q=", "runs/?q=", "settings/audit/?q="]

    started = time.monotonic()
    answers = [client.get(f"/t/acme/{page}{PATTERN[:1000]}") for page in pages]
    refused = client.post("/api/v1/api-keys/", {"name": PATTERN, "scopes": ["runs:read"]}, "application/json")

    assert [answer.status_code for answer in answers] == [200] * 4
    assert refused.status_code in (403, 422)
    assert time.monotonic() - started < 60
