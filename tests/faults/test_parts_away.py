"""API responses while a service that it needs is down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection

from accounts.models import IdempotencyRecord, Team, User
from agents.models import Agent
from tasks import event_log
from tasks.models import Run
from tests.calling import Api, api_of
from tests.factories import AgentFactory
from tests.tasks.scripted import engine, say, settled

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


@pytest.fixture
def rita(team: Team) -> Agent:
    return AgentFactory(team=team, version__memory_enabled=False)


def submit(api: Api, rita: Agent) -> Any:
    return api.send("POST", "/api/v1/runs/", {"agent": str(rita.pk), "prompt": "Go."}, Idempotency_Key="once")


def test_a_database_that_goes_in_the_middle_leaves_nothing_half_written(api: Api, rita: Agent) -> None:
    def goes(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('INSERT INTO "accounts_idempotencyrecord"'):  # the run is inserted already
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(goes):
        answer = submit(api, rita)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert Run.objects.count() == IdempotencyRecord.objects.count() == 0

    assert submit(api, rita).status_code == submit(api, rita).status_code == 201
    assert Run.objects.get().last_seq == 2


@pytest.mark.usefixtures("fast_engine")
def test_without_valkey_a_run_is_accepted_and_driven(
    api: Api, rita: Agent, scripted: Callable[..., object], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    scripted([say("Done.")])
    nobody = redis.Redis.from_url("redis://127.0.0.1:1/0")
    monkeypatch.setattr(event_log, "valkey", lambda: nobody)
    settings.REDIS_URL = "redis://127.0.0.1:1"

    answer = submit(api, rita)

    assert answer.status_code == 201, answer.content
    with engine():
        settled(Run.objects.get(pk=answer.json()["id"]), "succeeded")
