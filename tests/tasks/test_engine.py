"""Engine with a scripted model, on the real database, broker and object store."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from billing.models import UsageRecord
from tasks.models import Artifact, HumanRequest, Run
from tasks.services import answers
from tests.tasks.scripted import Scripted, call, last, say, settled, types

pytestmark = pytest.mark.usefixtures("driver")


def test_a_run_ends_with_the_answer_of_the_model(scripted: Callable[..., Scripted], start: Callable[..., Run]) -> None:
    scripted([say("42 refunds.")])

    run = settled(start())

    assert (run.status, run.output, run.turns) == ("succeeded", "42 refunds.", 1)
    assert types(run) == [
        "run.created",
        "run.queued",
        "run.started",
        "model.started",
        "model.finished",
        "message",
        "usage.charged",
        "run.finished",
    ]
    assert run.cost_usd == Decimal("0.010000")
    assert UsageRecord.objects.get().cost_usd == Decimal("0.010000")


def test_tools_write_artifacts(scripted: Callable[..., Scripted], start: Callable[..., Run]) -> None:
    runtime = scripted([say("Writing."), call("write_file", path="report.md", content="# Hello")], [say("Done.")])

    run = settled(start("write_file"))

    assert run.status == "succeeded"
    artifact = Artifact.objects.get(run=run)
    assert (artifact.path, artifact.file.size, artifact.version) == ("report.md", 7, 1)
    assert last(run, "artifact.created")["path"] == "report.md"
    assert last(run, "tool.finished")["is_error"] is False
    assert [m["role"] for m in runtime.calls[1].messages] == ["user", "assistant", "user"]


def test_a_question_waits_for_an_answer(
    scripted: Callable[..., Scripted], start: Callable[..., Run], alice: User
) -> None:
    runtime = scripted([call("ask_human", question="Which column?", choices=["a", "b"])], [say("Thanks.")])
    run = settled(start("ask_human"))
    assert (run.status, run.waiting_kind, run.lease_expires_at) == ("waiting", "question", None)

    answers.answer_request(asked=HumanRequest.objects.get(run=run), actor=alice, answer={"value": "a"})

    settled(run, "succeeded")
    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert result["content"] == "alice@example.com answered: a"
    assert types(run).count("run.resumed") == 1
