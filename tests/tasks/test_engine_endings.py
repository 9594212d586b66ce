"""Endings at a bad moment: a timeout during a write, or a last write that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.runtimes.base import Stop
from billing.models import UsageRecord
from tasks.engine.journal import Journal
from tasks.models import Run
from tests.tasks.scripted import Scripted, call, last, say, settled, types

pytestmark = pytest.mark.usefixtures("driver")
Play = Callable[..., Scripted]
Start = Callable[..., Run]


def test_time_that_is_up_while_a_write_is_on_its_way_ends_the_run_at_once(
    scripted: Play, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted([say("Done.")])
    commit = Journal.commit
    slow: list[int] = []

    async def late(self: Journal, op: Any) -> Any:
        if not slow:
            slow.append(1)
            written = asyncio.ensure_future(commit(self, op))
            await asyncio.sleep(1.3)
            return await written
        return await commit(self, op)

    monkeypatch.setattr(Journal, "commit", late)

    run = settled(start(limits={"timeout_s": 1}))

    assert (run.status, run.error_code, run.recoveries) == ("failed", "timeout", 0)
    assert types(run)[-1] == "run.finished"


def test_a_write_that_cannot_be_written_ends_the_run_and_its_answer_is_in_the_books(
    scripted: Play, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engine.intake._own_id", lambda *given: "x" * 100)
    runtime = scripted([call("write_file", path="a.txt", content="a")], [say("Done.")])

    run = settled(start("write_file"))

    assert (run.status, run.error_code, run.recoveries) == ("failed", "internal", 0)
    assert len(runtime.calls) == 1
    assert list(UsageRecord.objects.filter(run_id=run.pk).values_list("outcome", flat=True)) == ["charged"]
    assert last(run, "run.finished")["error_code"] == "internal"


def test_a_tool_name_that_is_too_long_is_refused_like_any_unknown_tool(scripted: Play, start: Start) -> None:
    scripted([call("t" * 200, "toolu_1")], [say("Then without.")])

    run = settled(start("write_file"))

    assert (run.status, run.output) == ("succeeded", "Then without.")
    assert last(run, "tool.finished")["is_error"] is True


def test_a_runtime_that_this_worker_does_not_have_ends_the_run(start: Start) -> None:
    run = start()
    run.version.__class__.objects.filter(pk=run.version_id).update(runtime="gone")

    settled(run, "failed")

    assert (run.error_code, run.recoveries) == ("internal", 0)


@pytest.mark.parametrize("review", [False, True])
def test_work_that_ends_without_a_result_has_failed(scripted: Play, start: Start, review: bool) -> None:
    runtime = scripted((Stop.NO_RESULT, [say("I stopped: the file has no rows.")]))

    run = settled(start(review=review, required_artifacts=["report.md"]))

    assert (run.status, run.error_code, run.output) == ("failed", "no_result", None)
    assert run.error_detail == "I stopped: the file has no rows."
    assert len(runtime.calls) == 1
    assert types(run).count("run.finished") == 1
    assert last(run, "run.finished")["error_code"] == "no_result"
    assert not run.requests.exists()
