"""Access checks of viewers. One query serves all viewers of a process, and each gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from accounts.ids import uuid7
from accounts.models import Team, User
from accounts.services import keys
from accounts.sockets import Caller, password_mark
from tasks.live import access
from tasks.models import Run
from tests.factories import RunFactory

pytestmark = pytest.mark.django_db(transaction=True)


def person(user: User, mark: str = "") -> Caller:
    return Caller(user_id=user.pk, password_mark=mark or password_mark(user))


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of questions that each database query answered."""
    found: list[int] = []
    really = access.allowed

    def counted(asked: Collection[access.Question]) -> set[access.Question]:
        found.append(len(asked))
        return really(asked)

    monkeypatch.setattr(access, "allowed", counted)
    return found


@pytest.mark.promise("G16")
async def test_one_look_answers_everybody_for_himself(
    team: Team, alice: User, bob: User, charlie: User, batches: list[int]
) -> None:
    run: Run = await sync_to_async(RunFactory)(team=team)
    live, _ = await sync_to_async(keys.create_key)(team=team, actor=alice, name="live", scopes=["runs:read"])
    revoked, _ = await sync_to_async(keys.create_key)(team=team, actor=alice, name="old", scopes=["runs:read"])
    await sync_to_async(keys.revoke_key)(key=revoked, actor=alice)
    asked = [
        (person(alice), run.pk),
        (person(bob), run.pk),
        (person(bob, "of before"), run.pk),
        (person(charlie), run.pk),
        (Caller(key_id=live.pk, team_id=team.pk), run.pk),
        (Caller(key_id=revoked.pk, team_id=team.pk), run.pk),
        (person(alice), uuid7()),
    ]
    asking = access.AccessChecks()

    allowed = await asyncio.gather(*(asking.may_look(*question) for question in asked))

    assert allowed == [True, True, False, False, True, False, False]
    assert batches == [7]


async def test_the_same_question_is_asked_once_and_a_viewer_who_leaves_takes_no_answer_along(
    team: Team, alice: User, batches: list[int]
) -> None:
    run: Run = await sync_to_async(RunFactory)(team=team)
    asking = access.AccessChecks()
    leaves, stays = (asyncio.create_task(asking.may_look(person(alice), run.pk)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()

    assert await stays is True
    assert batches == [1]


async def test_a_database_that_is_away_is_told_to_everybody_and_asked_again(
    team: Team, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Run = await sync_to_async(RunFactory)(team=team)
    asking = access.AccessChecks()

    def away(asked: Collection[access.Question]) -> set[access.Question]:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(access, "allowed", away)
        both = (asking.may_look(person(user), run.pk) for user in (alice, bob))
        answers = await asyncio.gather(*both, return_exceptions=True)

    assert [str(answer) for answer in answers] == ["away", "away"]
    assert await asking.may_look(person(alice), run.pk) is True
