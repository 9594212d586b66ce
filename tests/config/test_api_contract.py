"""Inputs in the OpenAPI document: teams, bodies, unknown fields, empty parameters, types."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, cast

import pytest
import schemathesis
from django.db import transaction
from django.test import Client

from accounts.models import Team, User
from tests.architecture.rows import Rows
from tests.config.answers import objects
from tests.config.calls import Call, Operation
from tests.config.test_api_fuzz import STREAM, full_of_things
from tests.config.test_api_fuzz import _unlimited_and_quiet as quiet  # noqa: F401 - autouse

pytestmark = pytest.mark.django_db
ANYTHING = {
    "Run.output",
    "AnswerInputRequest.value",
    "HumanAnsweredEvent.data.value",
}
"""Fields with JSON of any type, because the caller's own schema decides."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    schema: dict[str, Any] = Client().get("/api/schema/").json()
    return schema


@pytest.fixture
def rows(alice: User, team: Team) -> Rows:
    return full_of_things(team, alice)


@pytest.fixture
def client(alice: User) -> Client:
    signed_in = Client(raise_request_exception=False)
    signed_in.force_login(alice)
    return signed_in


def operations(document: dict[str, Any], rows: Rows) -> list[Operation]:
    made = schemathesis.openapi.from_dict(document).get_all_operations()
    found = [Operation(cast(Any, one).ok(), rows.of) for one in made]
    return [one for one in found if one.described["operationId"] != STREAM]


def good(operation: Operation) -> Call:
    """Return a call of existing rows with a valid body."""
    return next(operation.spoilt(operation.calls()[0]))


def sent(call: Call, client: Client) -> Any:
    """Return the response; its effect is rolled back."""
    with transaction.atomic():
        answer = call.sent_by(client)
        transaction.set_rollback(True)
    return answer


def test_a_team_that_the_caller_is_not_in_is_a_documented_404(
    document: dict[str, Any], rows: Rows, client: Client
) -> None:
    wrong, tried = [], 0
    for operation in operations(document, rows):
        if "X-Team" not in {parameter["name"] for parameter in operation.described.get("parameters", ())}:
            continue
        call = good(operation)
        answer = sent(Call(call.method, call.path, call.values, headers={"X-Team": "nobodys"}, body=call.body), client)
        tried += 1
        if (answer.status_code, "404" in operation.described["responses"]) != (404, True):
            wrong.append(f"{operation.described['operationId']}: {answer.status_code}")

    assert "\n".join(wrong) == ""
    assert tried > 50


def test_a_body_is_required_exactly_where_a_request_without_one_is_refused(
    document: dict[str, Any], rows: Rows, client: Client
) -> None:
    wrong, seen = [], {True: 0, False: 0}
    for operation in operations(document, rows):
        described = operation.described.get("requestBody")
        if described is None:
            continue
        call = good(operation)
        answer = sent(Call(call.method, call.path, call.values, media_type=call.media_type), client)
        is_refused = answer.status_code == 422 or (answer.status_code == 400 and b"multipart" in answer.content.lower())
        seen[described["required"]] += 1
        if described["required"] is not is_refused:
            wrong.append(f"{operation.described['operationId']}: {answer.status_code} {answer.content[:200]!r}")

    assert "\n".join(wrong) == ""
    assert min(seen.values()) > 5


def places(body: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every nested object."""
    if isinstance(body, dict):
        yield before
    inside = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in inside:
        yield from places(value, (*before, name))


FREE = {"output_schema", "metadata", "variables"}
"""Objects defined by the caller (`variables` of a start; those of a task are a list of closed objects)."""


def test_an_unknown_field_is_refused_at_every_depth(document: dict[str, Any], rows: Rows, client: Client) -> None:
    taken, tried = [], 0
    for operation in operations(document, rows):
        call = good(operation)
        if "application/json" not in operation.described.get("requestBody", {}).get("content", {}):
            continue
        body = call.body if isinstance(call.body, dict) else {}
        for place in places(body):
            if FREE.intersection(place) and not any(isinstance(part, int) for part in place):
                continue
            spoilt = copy.deepcopy(body)
            inside = spoilt
            for part in place:
                inside = inside[part]
            inside["no_such_field"] = 1
            answer = sent(Call(call.method, call.path, call.values, body=spoilt), client)
            tried += 1
            if answer.status_code not in (422, 400) or b"no_such_field" not in answer.content:
                taken.append(
                    f"{operation.described['operationId']} {place}: {answer.status_code} {answer.content[:150]!r}"
                )

    assert "\n".join(taken) == ""
    assert tried > 40


def test_every_object_that_the_document_describes_is_closed(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for found in objects(schema) if name not in ("Problem",) else ():
            assert found.get("additionalProperties") is False, name


def untyped(schema: Any, name: str) -> Iterator[str]:
    """Yield the places that allow any JSON."""
    if not isinstance(schema, dict):
        return
    if not set(schema) - {"description", "title", "readOnly", "default", "deprecated"}:
        yield name
    for member, inner in schema.get("properties", {}).items():
        yield from untyped(inner, f"{name}.{member}")
    yield from untyped(schema.get("items"), f"{name}[]")
    for word in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(word, ()):
            yield from untyped(inner, name)


def test_only_what_a_schema_of_the_caller_decides_is_of_any_type(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]

    assert {place for name, schema in components.items() for place in untyped(schema, name)} == ANYTHING


def test_a_parameter_without_a_value_or_given_twice_is_refused(
    document: dict[str, Any], rows: Rows, client: Client
) -> None:
    taken, tried = [], 0
    for operation in operations(document, rows):
        call = good(operation)
        for parameter in operation.described.get("parameters", ()):
            if parameter["in"] != "query":
                continue
            for values in ("", " ", ["1", "2"]):
                tried += 1
                answer = sent(Call(call.method, call.path, call.values, query={parameter["name"]: values}), client)
                problem = answer.json()
                named = [(error["field"], error["message"]) for error in problem.get("errors", ())]
                message = (
                    "Give it once; a list is separated by commas."
                    if values == ["1", "2"]
                    else ("Give a value, or leave the parameter out.")
                )
                if (answer.status_code, named) != (400, [(parameter["name"], message)]):
                    taken.append(
                        f"{operation.described['operationId']} {parameter['name']}={values!r}: {answer.content!r}"
                    )

    assert "\n".join(taken) == ""
    assert tried > 100
