"""REST API against its own OpenAPI document: every response to any caller is a documented one."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest
import schemathesis
from django.db import connection, transaction
from django.test import Client
from rest_framework.settings import api_settings

from accounts.models import Role, Team, User
from agents.models import Agent, AgentVersion
from tasks.events import Log
from tasks.models import Run, RunEvent, RunStatus, Task
from tests.architecture.rows import CANARY, Rows
from tests.config.answers import Answers
from tests.config.calls import Call, Operation
from tests.factories import AgentFactory, MembershipFactory, RunFactory, TaskFactory

pytestmark = pytest.mark.django_db
STREAM = "runs_stream"
"""Operation with one endless body; it has tests of its own."""
PROBLEM = "application/problem+json"


@pytest.fixture(autouse=True)
def _unlimited_and_quiet(caplog, monkeypatch) -> None:
    caplog.set_level(logging.CRITICAL)
    for scope in api_settings.DEFAULT_THROTTLE_RATES:
        monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, scope, "1000000/min")


@pytest.fixture
def rows(alice: User, team: Team) -> Rows:
    return full_of_things(team, alice)


def full_of_things(team: Team, owner: User) -> Rows:
    """Create a team with one of everything, so that every operation finds something."""
    made = Rows(team, owner)
    agent = AgentFactory(team=team, name=CANARY)
    task = TaskFactory(team=team, agent=agent, name=CANARY)
    asked = {"status": RunStatus.WAITING, "waiting_kind": "question", "last_seq": 1}
    run = RunFactory(team=team, agent=agent, task=task, **asked)
    made.of |= {Agent: agent, AgentVersion: agent.version, Task: task, Run: run}
    assert made.make_all() == []
    RunEvent.objects.update(type=Log.type, data=Log(text=CANARY).data())
    return made


@pytest.fixture
def callers(alice: User, charlie: User, team: Team) -> dict[str, Client]:
    viewer = MembershipFactory(team=team, role=Role.VIEWER).user
    found = {"anonymous": Client(raise_request_exception=False)}
    for name, user in {"owner": alice, "viewer": viewer, "outsider": charlie}.items():
        found[name] = Client(raise_request_exception=False)
        found[name].force_login(user)
    return found


def test_every_answer_is_one_that_the_document_names(rows: Rows, callers: dict[str, Client]) -> None:
    """Send schemathesis' calls as four people, and good calls with one value replaced as the owner; roll each back."""
    described = Client().get("/api/schema/").json()
    document = schemathesis.openapi.from_dict(described)
    operations = [Operation(cast(Any, made).ok(), rows.of) for made in document.get_all_operations()]
    answers = Answers(described)
    problems: list[str] = []
    done = dict.fromkeys(callers, 0)
    for operation in operations:
        if operation.described["operationId"] == STREAM:
            continue
        calls = operation.calls()
        by_all = [(who, call) for call in calls for who in callers]
        for who, call in [*by_all, *(("owner", call) for call in operation.spoilt(calls[0]))]:
            answer = _answer(call, callers[who])
            done[who] += answer.status_code < 400 and bool(operation.described.get("security"))
            if wrong := _wrong_with(answer, operation, who) or answers.problem_of(operation.described, answer):
                problems.append(f"{who}: {wrong}: {call}")

    assert "\n".join(problems) == ""
    assert done["anonymous"] == 0
    assert done["owner"] > done["viewer"] > 20


def _answer(call: Call, client: Client) -> Any:
    """Return the response up to the commit; its effect is rolled back."""
    with transaction.atomic():
        answer = call.sent_by(client)
        if answer.status_code < 400:
            connection.check_constraints()
        transaction.set_rollback(True)
    return answer


def _wrong_with(answer: Any, operation: Operation, who: str) -> str:
    status = str(answer.status_code)
    if status >= "500":
        return f"{status} {answer.exc_info and answer.exc_info[1]!r} {answer.content[:300]!r}"
    if status not in operation.described["responses"]:
        return f"{status} is not documented, {answer.content[:300]!r}"
    if status >= "400" and answer["Content-Type"] != PROBLEM:
        return f"{status} is {answer['Content-Type']}"
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if who in ("outsider", "anonymous") and CANARY.encode() in body:
        return f"{status} shows what another team has"
    return ""
