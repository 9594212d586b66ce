"""Live view as server-sent events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.test import AsyncClient

from accounts.models import Team, User
from accounts.services import keys
from tasks import event_log, events
from tasks.live import hub, sse
from tasks.models import Run
from tests.factories import AgentFactory, RunFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("closed_hub")]


@pytest.fixture
def run(team: Team) -> Run:
    """Finished run, whose stream therefore ends."""
    made: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(made, events.Log(text="one"), events.Log(text="two"))
    made.move_to("cancelled")
    event_log.append(made, events.RunFinished(status="cancelled"))
    return made


async def frames(response: Any) -> list[tuple[str, dict[str, Any]]]:
    assert isinstance(response, StreamingHttpResponse)
    text = b"".join([part async for part in response]).decode()  # type: ignore[union-attr]
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((lines.get("id", ""), json.loads(lines["data"])))
    return found


async def get(run: Run, token: str, **headers: str) -> HttpResponse:
    url = f"/api/v1/runs/{run.pk}/stream/"
    return await AsyncClient().get(url, headers={"Authorization": f"Bearer {token}", **headers})


async def key(user: User, team: Team) -> str:
    _, token = await sync_to_async(keys.create_key)(team=team, actor=user, name="k", scopes=["runs:read"])
    return token


async def test_the_same_frames_as_the_socket_with_ids_to_continue_from(run: Run, alice: User, team: Team) -> None:
    response = await get(run, await key(alice, team), **{"Last-Event-ID": "1"})

    got = await frames(response)
    assert response["Content-Type"] == "text/event-stream"
    assert [(ident, body["kind"], body.get("seq")) for ident, body in got] == [
        ("2", "event", 2),
        ("3", "event", 3),
        ("", "caught_up", 3),
        ("", "end", None),
    ]


async def test_who_stays_has_the_second_end_too(run: Run, alice: User, team: Team) -> None:
    token = await key(alice, team)
    await sync_to_async(Run.objects.filter(pk=run.pk).update)(status="failed")
    url = f"/api/v1/runs/{run.pk}/stream/?after=3&stay=true"
    response: Any = await AsyncClient().get(url, headers={"Authorization": f"Bearer {token}"})
    parts = aiter(response.streaming_content)
    seen = [(await anext(parts)).decode().partition("\n")[0] for _ in range(2)]

    await sync_to_async(run.move_to)("queued")
    await sync_to_async(event_log.append)(run, events.RunContinued(by="Alice", step=0))
    await sync_to_async(run.move_to)("cancelled")
    await sync_to_async(event_log.append)(run, events.RunFinished(status="cancelled"))
    seen += [part.decode().partition("\n")[0] async for part in parts]

    assert seen == ["event: caught_up", "event: end", "id: 4", "id: 5", "event: end"]


async def test_what_stay_may_be(run: Run, alice: User, team: Team) -> None:
    headers = {"Authorization": f"Bearer {await key(alice, team)}"}
    answer = await AsyncClient().get(f"/api/v1/runs/{run.pk}/stream/?stay=1", headers=headers)

    assert (answer.status_code, json.loads(answer.content)["errors"][0]["field"]) == (400, "stay")


@pytest.mark.attack(6)
@pytest.mark.promise("G16")
async def test_another_team_gets_404_and_nobody_gets_401(run: Run, charlie: User, other_team: Team) -> None:
    response = await get(run, await key(charlie, other_team))
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")

    response = await get(run, "dh_nonsense")
    assert response.status_code == 401


async def test_one_stream_too_many_is_refused_until_another_ends(
    run: Run, alice: User, bob: User, team: Team, settings: Any
) -> None:
    """Open streams with several keys of one person, which share the limit."""
    settings.LIVE_STREAMS = 1
    token = await key(alice, team)
    first: Any = await get(run, token)
    parts = aiter(first.streaming_content)
    await anext(parts)

    refused = await get(run, token)
    with_another_key = await get(run, await key(alice, team))
    other: Any = await get(run, await key(bob, team))

    assert (refused.status_code, refused["Content-Type"]) == (429, "application/problem+json")
    assert with_another_key.status_code == 429
    assert json.loads(refused.content)["detail"] == "You read 1 streams already. Close one, then open this one."
    assert other.status_code == 200
    assert len([part async for part in parts]) > 0
    assert (await get(run, token)).status_code == 200
    assert sse._open == {}


def test_a_cursor_that_is_no_number_of_ours_starts_at_the_beginning() -> None:
    assert [hub.cursor(text) for text in ("7", "x", "-1", "", "٣", "9" * 5000)] == [7, 0, 0, 0, 0, 0]
