"""Pages and JSON go out compressed; streams, small answers, exact ETags and what could be measured do not."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory

from accounts.models import Team, User
from accounts.services import keys
from agents.models import Agent
from config.server.compression import SMALLEST, CompressionMiddleware, accepts_gzip
from storage import services
from tasks import event_log, events
from tasks.models import Run
from tests.calling import api_of
from tests.factories import AgentFactory, ArtifactFactory, RunFactory, TaskFactory

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def answer_of(content: str, request: Any = None, **headers: str) -> HttpResponse:
    response = HttpResponse(content, headers=headers)
    request = request or RequestFactory().get("/", headers=GZIP)
    done: HttpResponse = CompressionMiddleware(lambda _: response)(request)
    return done


@pytest.mark.parametrize("path", ["/", "/accounts/password/reset/", "/t/acme/", "/nowhere/", "/api/schema/"])
def test_a_page_is_compressed_and_says_so(as_alice: Client, path: str) -> None:
    plain, packed = as_alice.get(path), as_alice.get(path, headers=GZIP)

    assert packed["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert packed.status_code == plain.status_code
    assert "Accept-Encoding" in plain["Vary"]
    assert packed["Vary"] == plain["Vary"]
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert gzip.decompress(packed.content)[:300] == plain.content[:300]


def test_json_is_compressed(alice: User, team: Team) -> None:
    for n in range(5):
        TaskFactory(team=team, name=f"Task {n}", prompt="Count the tickets of {{month}}. " * 20)
    client = api_of(alice, team)

    packed = client.send("GET", "/api/v1/tasks/", **GZIP)

    assert packed["Content-Encoding"] == "gzip"
    assert packed["Content-Type"] == "application/json"
    assert gzip.decompress(packed.content) == client.get("/api/v1/tasks/").content


@pytest.mark.parametrize(("length", "is_compressed"), [(SMALLEST - 1, False), (SMALLEST, True)])
def test_a_small_answer_stays_as_it_is(length: int, is_compressed: bool) -> None:
    answer = answer_of("x" * length)

    assert answer.has_header("Content-Encoding") is is_compressed
    assert answer.has_header("Vary") is is_compressed


@pytest.mark.parametrize(
    ("headers", "is_compressed"),
    [
        ({"Content-Type": "application/problem+json"}, True),
        ({"Content-Type": "application/vnd.oai.openapi"}, True),
        ({"Content-Type": "image/svg+xml"}, True),
        ({"Content-Type": "image/png"}, False),
        ({"Content-Type": "application/zip"}, False),
        ({"Content-Encoding": "br"}, False),
        ({"Cache-Control": "no-transform"}, False),
        ({"ETag": '"abc"'}, False),
    ],
)
def test_only_text_that_may_be_changed_is_compressed(headers: dict[str, str], is_compressed: bool) -> None:
    answer = answer_of("some words " * 200, **headers)

    assert (answer.get("Content-Encoding") == "gzip") is is_compressed
    assert answer.get("ETag") == headers.get("ETag")


@pytest.mark.parametrize(
    ("header", "accepts"),
    [
        ("gzip", True),
        ("GZip;q=0.5, br", True),
        ("*", True),
        ("", False),
        ("br, deflate", False),
        ("gzip;q=0, *", False),
        ("gzip; q=0", False),
        ("identity, *;q=0", False),
        ("gzip;q=much", False),
        ("notgzip", False),
    ],
)
def test_what_a_client_accepts(header: str, accepts: bool) -> None:
    assert accepts_gzip(header) is accepts


def test_an_etag_still_names_the_state_that_if_match_asks_for(alice: User, team: Team) -> None:
    agent: Agent = AgentFactory(team=team, version__instructions="Count every ticket twice. " * 100)
    client = api_of(alice, team)
    path = f"/api/v1/agents/{agent.pk}/"

    read = client.send("GET", path, **GZIP)
    changed = client.send("PATCH", path, {"name": "Counter"}, **GZIP, **{"If-Match": read["ETag"]})
    too_late = client.send("PATCH", path, {"name": "Summer"}, **GZIP, **{"If-Match": read["ETag"]})

    assert len(read.content) > SMALLEST
    assert re.fullmatch(r'"[0-9a-f]{32}"', read["ETag"])
    assert (changed.status_code, too_late.status_code) == (200, 412)


class TestNothingCanBeMeasured:
    def test_what_another_site_asks_for_with_a_session_is_not_compressed(self, as_alice: Client) -> None:
        for site, encoding in {"cross-site": None, "same-site": None, "same-origin": "gzip", "none": "gzip"}.items():
            answer = as_alice.get("/t/acme/", headers={**GZIP, "Sec-Fetch-Site": site})
            assert answer.get("Content-Encoding") == encoding, site

    def test_a_visitor_without_a_session_has_nothing_to_lose(self, client: Client, db: None) -> None:
        assert client.get("/", headers={**GZIP, "Sec-Fetch-Site": "cross-site"})["Content-Encoding"] == "gzip"

    def test_a_page_with_a_lasting_secret_is_not_compressed(self, as_alice: Client, alice: User) -> None:
        EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
        answer = as_alice.get("/accounts/2fa/totp/activate/", headers=GZIP, follow=True)

        assert answer.status_code == 200
        assert len(answer.content) > SMALLEST
        page = answer_of("secret " * 500, RequestFactory().get("/accounts/2fa/totp/activate/", headers=GZIP))
        assert not page.has_header("Content-Encoding")

    def test_the_token_of_forms_is_another_in_each_answer_and_the_length_random(self, as_alice: Client) -> None:
        packed = [as_alice.get("/t/acme/settings/team/", headers=GZIP).content for _ in range(6)]
        tokens = {re.findall(rb'csrfmiddlewaretoken" value="([^"]+)"', gzip.decompress(page))[0] for page in packed}

        assert len(tokens) == 6
        same = {len(answer_of("the very same words " * 200).content) for _ in range(40)}
        assert len(same) > 5


def test_a_download_stays_a_stream_of_known_length(as_alice: Client, team: Team, run: Run) -> None:
    stored = services.save_file(team_id=team.pk, name="report.md", content=b"a line of words\n" * 500)
    artifact = ArtifactFactory(run=run, file=stored)

    answer = as_alice.get(f"/t/acme/runs/{run.pk}/artifacts/{artifact.pk}/download/", headers=GZIP)

    assert isinstance(answer, StreamingHttpResponse)
    assert not answer.has_header("Content-Encoding")
    assert answer["Content-Length"] == "8000"
    assert b"".join(answer.streaming_content) == b"a line of words\n" * 500  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed_hub")
async def test_a_live_stream_comes_event_by_event(team: Team, alice: User) -> None:
    run = await sync_to_async(_live_run)(team)
    _, token = await sync_to_async(keys.create_key)(team=team, actor=alice, name="k", scopes=["runs:read"])

    response: Any = await AsyncClient().get(
        f"/api/v1/runs/{run.pk}/stream/", headers={"Authorization": f"Bearer {token}", **GZIP}
    )
    parts = aiter(response.streaming_content)
    first = await anext(parts)
    await parts.aclose()

    assert not response.has_header("Content-Encoding")
    assert first.startswith(b"id: 1\nevent: event\ndata: ")
    assert first.endswith(b"\n\n")


def _live_run(team: Team) -> Run:
    made: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(made, events.Log(text="words " * 2000))
    return made


@pytest.fixture
def run(team: Team) -> Run:
    made: Run = RunFactory(agent=AgentFactory(team=team))
    return made
