"""Forms of questions with a schema: their controls, and what an answer becomes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Team
from tasks.models import HumanRequest, RequestStatus, RunStatus
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.html import Page

FORM = {
    "type": "object",
    "properties": {
        "method": {"title": "How to refund", "enum": ["card", "voucher"]},
        "amount": {"type": "number", "minimum": 0, "maximum": 500},
        "parcels": {"type": "integer", "description": "How many came late."},
        "until": {"type": "string", "format": "date"},
        "tell_them": {"type": "boolean"},
        "note": {"type": "string", "maxLength": 400},
    },
    "required": ["method", "amount"],
    "additionalProperties": False,
}
FULL = {
    "part:method": "1", "part:amount": "12.50", "part:parcels": "1 200", "part:until": "2026-12-24",
    "part:tell_them": "1", "part:note": " By post. ",
}  # fmt: skip


@pytest.fixture
def ask(team: Team) -> Any:
    def make(schema: Any, **more: Any) -> HumanRequest:
        run = RunFactory(agent=AgentFactory(team=team), status=RunStatus.WAITING, waiting_kind="question")
        asked: HumanRequest = HumanRequestFactory(run=run, schema=schema, **more)
        return asked

    return make


def answer(client: Client, asked: HumanRequest, **body: str) -> Any:
    address = reverse("tasks:request_answer", args=["acme", asked.pk])
    return client.post(address, body, headers={"HX-Request": "true"})


def card(client: Client, asked: HumanRequest) -> Page:
    return Page(client.get(reverse("tasks:request_detail", args=["acme", asked.pk])).text)


def test_each_part_has_a_control_of_its_kind(as_alice: Client, ask: Any) -> None:
    page = card(as_alice, ask(FORM))

    fields = [
        (tag["name"], tag.get("type", "")) for tag in page.all("input") if tag.get("name", "").startswith("part:")
    ]
    assert fields[:3] == [
        ("part:method", "radio"),
        ("part:method", "radio"),
        ("part:amount", ""),
    ]  # required ones first
    assert sorted(fields[3:]) == [
        ("part:parcels", ""), ("part:tell_them", "radio"), ("part:tell_them", "radio"), ("part:until", "date"),
    ]  # fmt: skip
    assert [tag["name"] for tag in page.all("textarea")] == ["part:note"]
    for words in ("How to refund", "From 0 to 500.", "How many came late.", "Tell them", "optional"):
        assert words in page.text
    assert "schema" not in page.text


def test_the_answer_has_the_types_of_the_schema(as_alice: Client, ask: Any) -> None:
    asked = ask(FORM)

    assert answer(as_alice, asked, **FULL).status_code == 200

    asked.refresh_from_db()
    assert asked.answer == {
        "value": {
            "method": "voucher", "amount": 12.5, "parcels": 1200, "until": "2026-12-24", "tell_them": False,
            "note": "By post.",
        }
    }  # fmt: skip


def test_what_is_optional_may_be_left_out(as_alice: Client, ask: Any) -> None:
    asked = ask(FORM)

    answer(as_alice, asked, **{"part:method": "0", "part:amount": "3", "part:note": "  "})

    asked.refresh_from_db()
    assert asked.answer == {"value": {"method": "card", "amount": 3}}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"part:method": ""}, "How to refund is needed."),
        ({"part:method": "2"}, "How to refund: choose one of the answers."),
        ({"part:amount": "many"}, "Amount: write a number, such as 2.5."),
        ({"part:amount": "1e999"}, "Amount: write a number, such as 2.5."),
        ({"part:amount": "501"}, "Amount: from 0 to 500."),
        ({"part:parcels": "1,200"}, "Parcels: write a number, such as 42."),
        ({"part:parcels": "2.5"}, "Parcels: 2.5 is not of type"),
        ({"part:note": "x" * 401}, "Note: at most 400 characters."),
    ],
)
def test_what_does_not_fit_is_said_at_its_field_and_nothing_is_lost(
    as_alice: Client, ask: Any, wrong: dict[str, str], said: str
) -> None:
    asked = ask(FORM)

    response = answer(as_alice, asked, **FULL | wrong)

    assert response.status_code == 422
    assert said in Page(response.text).text
    kept = {
        tag["name"]: tag.get("value", "") for tag in Page(response.text).all("input") if "part:" in tag.get("name", "")
    }
    given = FULL | wrong
    assert (kept["part:amount"], kept["part:until"]) == (given["part:amount"], given["part:until"])
    asked.refresh_from_db()
    assert (asked.status, asked.answer) == (RequestStatus.OPEN, None)


@pytest.mark.parametrize(
    ("schema", "body", "value"),
    [
        ({"type": "boolean"}, {"choice": "1"}, False),
        ({"enum": ["a", 2, None]}, {"choice": "1"}, 2),
        ({"type": "number"}, {"text": "2.5"}, 2.5),
        ({"type": "string", "format": "date"}, {"text": "2026-12-24"}, "2026-12-24"),
        (FORM, {"text": '{"method": "card", "amount": 1}'}, {"method": "card", "amount": 1}),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, {"text": '{"a": []}'}, {"a": []}),
    ],
)
def test_other_answers(as_alice: Client, ask: Any, schema: Any, body: dict[str, str], value: Any) -> None:
    asked = ask(schema)

    assert answer(as_alice, asked, **body).status_code == 200

    asked.refresh_from_db()
    assert asked.answer == {"value": value}


def test_the_first_nine_answers_have_number_keys(as_alice: Client, ask: Any) -> None:
    buttons = card(as_alice, ask(None, choices=[f"c{n}" for n in range(11)])).all("button")

    keys = [tag.get("data-key") for tag in buttons if tag.get("name") == "choice"]
    assert keys == [*"123456789", None, None]


@pytest.mark.parametrize(
    "schema", [{"type": "object", "properties": {"a": {"type": "array"}}}, {"type": ["string", "null"]}]
)
def test_what_has_no_control_is_written_as_json(as_alice: Client, ask: Any, schema: Any) -> None:
    assert "Your answer as JSON" in card(as_alice, ask(schema)).text
