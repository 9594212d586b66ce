"""Encoding of texts that the engine writes. Only the few characters that Postgres refuses are changed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tasks import events
from tasks.engine.commits import Commit, StepWrite, UsageWrite
from tasks.engine.encoding import encode

RUN = UUID("01980000-0000-7000-8000-000000000001")


def shape(**said: Any) -> dict[str, Any]:
    return json.loads(encode(Commit(run_id=RUN, epoch=3, commit_no=7, **said)))  # type: ignore[no-any-return]


def test_a_commit_that_says_nothing_names_only_its_fence() -> None:
    assert shape() == {"run": str(RUN), "epoch": 3, "commit_no": 7}


def test_steps_and_events_are_written_with_every_field() -> None:
    step = StepWrite(index=2, kind="tool", status="done", tool="read_file", request={"path": "a"}, result={"n": [1]})
    told = shape(steps={2: step}, events=[events.Phase(name="Reading")])

    assert told["events"] == [{"type": "phase", "data": {"name": "Reading"}}]
    assert told["n_events"] == 1
    assert told["steps"] == [
        {
            "index": 2, "kind": "tool", "status": "done", "attempt": 1, "call_id": "", "tool": "read_file",
            "request": {"path": "a"}, "spec": None, "result": {"n": [1]}, "effect_began": False, "effect_at": None,
        }
    ]  # fmt: skip


def test_only_what_is_charged_counts_on_the_run() -> None:
    paid = UsageWrite(key="a", outcome="charged", step_key="k", model="m", input_tokens=5, cost_usd=Decimal("0.25"))
    lost = UsageWrite(key="b", outcome="unknown", step_key="k", model="m", input_tokens=9, cost_usd=Decimal(4))
    told = shape(usage=[paid, lost])

    assert [usage["key"] for usage in told["usage"]] == ["a", "b"]
    assert (told["input_tokens"], told["cost_usd"]) == (5, "0.25")


@pytest.mark.parametrize("output", [0, False, "", [], {}])
def test_an_empty_answer_is_an_answer(output: Any) -> None:
    assert shape(status="succeeded", output=output)["output"] == output


def test_only_the_end_is_terminal() -> None:
    assert shape(status="succeeded")["is_terminal"] is True
    assert "is_terminal" not in shape(status="waiting")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b\0\0c", "a\ufffdb\ufffd\ufffdc"),
        ("a literal \\u0000 of a source file", "a literal \\u0000 of a source file"),
        ("a backslash \\\0 before it", "a backslash \\\ufffd before it"),
        ("half a pair \ud83d!", "half a pair \ufffd!"),
        ("Málaga 🙂", "Málaga 🙂"),
    ],
)
def test_what_postgres_refuses_is_marked_and_nothing_else(said: str, kept: str) -> None:
    assert shape(events=[events.Log(text=said)])["events"][0]["data"]["text"] == kept


def test_what_json_cannot_hold_is_kept_as_text() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]

    told = shape(progress={"done": float("nan"), "deep": deep}, error_detail="\0")

    assert told["progress"]["done"] == "NaN"
    assert "(nested too deeply)" in json.dumps(told["progress"]["deep"])
    assert told["error_detail"] == "\ufffd"
