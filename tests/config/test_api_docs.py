"""OpenAPI document: valid, complete, with every refusal; its page loads nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker

from tasks.events import EVENT_TYPES

METHODS = ("get", "post", "put", "patch", "delete")
STREAM = "runs_stream"
"""Operation with one endless body; the framework does not describe it."""
OPEN = {"files_receive"}
"""Operations whose address is the credential."""
SIGN_IN = {"auth_sign_up", "auth_verify_email", "auth_token", "auth_token_refresh", "auth_token_revoke"}
FREE_TO_REPEAT = SIGN_IN | {"teams_leave", "notifications_read", "notifications_read_all"}
"""POST operations that create and spend nothing."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    schema: dict[str, Any] = Client().get("/api/schema/").json()
    return schema


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(m, path[m]) for path in document["paths"].values() for m in METHODS if m in path]


def headers(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}


def test_the_document_is_valid_without_a_warning(tmp_path: Path) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))

    assert (tmp_path / "schema.yml").read_text().startswith("openapi: 3.1.0")


def test_every_operation_says_what_it_is_and_what_it_refuses(document: dict[str, Any]) -> None:
    assert len(operations(document)) > 20
    for method, operation in operations(document):
        name = operation["operationId"]
        assert operation.get("summary"), f"{name} has no summary"
        if name == STREAM:
            continue
        assert {"400", "401", "403", "406", "429", "503"} <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)
        if method in {"post", "put", "patch"}:
            assert {"409", "413", "415", "422"} <= set(operation["responses"]), name
        security = [{"token": []}, {"apiKey": []}, {"session": []}]
        assert operation.get("security", []) == ([] if name in SIGN_IN | OPEN else security), name


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    posts = {op["operationId"]: op for method, op in operations(document) if method == "post"}

    without = {name for name, operation in posts.items() if "Idempotency-Key" not in headers(operation)}

    assert without == FREE_TO_REPEAT


def test_every_change_of_a_row_with_an_etag_takes_if_match(document: dict[str, Any]) -> None:
    one_agent = document["paths"]["/api/v1/agents/{id}/"]

    assert "If-Match" in headers(one_agent["patch"])
    assert "412" in one_agent["patch"]["responses"]


def problems(content: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Return the errors in the examples of a body; there must be an example."""
    shown = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
    schema = {"components": document["components"], **content["schema"]}
    checker = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{wrong.json_path} {wrong.message}" for example in shown for wrong in checker.iter_errors(example)]


def test_every_json_body_has_an_example_that_fits(document: dict[str, Any]) -> None:
    wrong, seen = [], 0
    for _, operation in operations(document):
        for described in [operation.get("requestBody", {}), *operation["responses"].values()]:
            for media_type, content in described.get("content", {}).items():
                if media_type in ("application/json", "application/problem+json"):
                    wrong += [f"{operation['operationId']}: {found}" for found in problems(content, document)]
                    seen += 1

    assert wrong == []
    assert seen > 500


def test_every_refusal_names_its_codes(document: dict[str, Any]) -> None:
    for _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert response["content"]["application/problem+json"]["examples"], (operation["operationId"], status)
    start = document["paths"]["/api/v1/runs/"]["post"]["responses"]["409"]["content"]["application/problem+json"]
    show = document["paths"]["/api/v1/me/"]["patch"]["responses"]["409"]["content"]["application/problem+json"]

    assert {"conflict", "idempotency_key_reused", "idempotency_in_progress"} <= set(start["examples"])
    assert "idempotency_in_progress" not in show["examples"]


def test_every_event_type_has_its_component(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    listed = components["Event"]["discriminator"]["mapping"]

    assert set(listed) == set(EVENT_TYPES)
    for type_, reference in listed.items():
        component = components[reference.rpartition("/")[2]]
        assert component["properties"]["type"]["const"] == type_
        assert set(component["properties"]["data"]["properties"]) == {f.name for f in fields(EVENT_TYPES[type_])}
    finished = components["ToolFinishedEvent"]["properties"]["data"]
    assert finished["properties"]["is_error"] == {"type": "boolean"}
    assert "preview" not in finished["required"]


def test_the_page_needs_no_relaxed_policy(db: None) -> None:
    page = Client().get("/api/docs/")

    assert page.status_code == 200
    html = page.content.decode()
    assert re.findall(r"<script(?![^>]* src=)|style=|https?://", html) == []
    policy = page["Content-Security-Policy"]
    assert re.search(r"script-src 'nonce-[^']+'(;|$)", policy)
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
