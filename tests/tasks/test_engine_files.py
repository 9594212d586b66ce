"""Delivered files: a run names them only after they are stored."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import Team
from billing import entitlements
from billing.plans import GB
from storage.models import StoredFile
from storage.services import save_file
from tasks.engine import tool_executor
from tasks.models import Artifact, Run, RunEvent
from tasks.services import periodic
from tests.factories import StoredFileFactory
from tests.faults.disk import no_room, small_disk
from tests.standins.between import between_us_and_the_store
from tests.standins.objects import damaging_store
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
TEXT = "Twelve refunds.\n"


@pytest.mark.promise("G17")
def test_a_file_is_named_when_the_store_has_it_whole_and_not_before(scripted: Play, start: Start) -> None:
    scripted([call("write_file", path="report.md", content=TEXT)], [say("Done.")])
    with damaging_store() as store, engine():
        run = start("write_file")
        until(lambda: store.puts >= 2)
        assert "artifact.created" not in types(run)
        assert not Artifact.objects.exists()
        assert not StoredFile.objects.exists()
        store.damage = b""
        settled(run, "succeeded")

        [stored] = StoredFile.objects.all()
        assert [body for path, body in store.kept.items() if stored.key in path] == [TEXT.encode()]

    artifact = Artifact.objects.get(run=run)
    right = sha256(TEXT.encode()).hexdigest()
    assert (artifact.file, artifact.path, stored.sha256, stored.size) == (stored, "report.md", right, len(TEXT))
    assert (last(run, "artifact.created")["sha256"], types(run).count("artifact.created")) == (right, 1)


@pytest.mark.promise("G17")
@pytest.mark.parametrize("how", ["full", "reset", "silent"])
def test_a_run_whose_files_cannot_be_kept_says_so_and_waits_for_the_store(
    scripted: Play, start: Start, how: str
) -> None:
    scripted([call("write_file", path="report.md", content=TEXT)], [say("Done.")])
    with between_us_and_the_store() as store, engine():
        store.fail(how)
        run = start("write_file")
        until(lambda: "error" in types(run))
        assert (last(run, "error")["code"], last(run, "error")["will_retry"]) == ("files_away", True)
        assert ("is full" in last(run, "error")["detail"]) == (how == "full")
        until(lambda: store.hit[how] > 2)
        assert not Artifact.objects.exists()
        assert not StoredFile.objects.exists()
        store.fail("")
        settled(run, "succeeded")

    assert types(run).count("error") == types(run).count("artifact.created") == 1
    assert Artifact.objects.get(run=run).file.sha256 == sha256(TEXT.encode()).hexdigest()


@pytest.mark.promise("G17")
def test_a_run_whose_files_cannot_be_laid_says_so_once_and_rests_longer_each_time(
    scripted: Play, start: Start, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_executor, "PATIENCE_S", 0.5)
    scripted([call("read_file", path="notes.md")], [say("Done.")])
    rests = []
    with between_us_and_the_store() as store, engine():
        notes = save_file(team_id=team.pk, content=TEXT.encode(), name="notes.md")
        store.fail("busy")
        run = start("read_file", attachments=[notes])
        while len(rests) < 4:
            settled(run, "waiting")
            assert (run.waiting_kind, run.lease_expires_at) == ("timer", None)
            assert run.start_at
            rests.append((run.start_at - run.status_changed_at).total_seconds())
            if len(rests) == 4:
                store.fail("")
            Run.objects.filter(pk=run.pk).update(start_at=Now())
            periodic.start_due_runs()
        settled(run, "succeeded")

    assert rests == pytest.approx([15, 30, 60, 60], abs=10)
    assert (types(run).count("error"), types(run).count("tool.started")) == (1, 1)
    assert last(run, "tool.finished")["is_error"] is False


def test_a_run_rests_no_longer_after_days_without_the_store() -> None:
    rests = (0, 1, 2, 3, 5000)

    assert [tool_executor.backoff(count).total_seconds() for count in rests] == [15, 30, 60, 60, 60]


@pytest.mark.promise("G17")
def test_the_words_of_a_tool_are_kept_while_it_works(scripted: Play, start: Start, tool: Callable[..., str]) -> None:
    """Log during a call: a killed worker may lose only the last lines."""

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        for word in ("one", "two"):
            context.reporter.log(text=word)
            until(RunEvent.objects.filter(run_id=context.run_id, type="log", data__text=word).exists)
        return ToolResult(content="ok", summary="Probed")

    name = tool(probe, effect=Effect.READ_ONLY)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name), "succeeded")

    said = types(run)
    assert said[said.index("tool.started") : said.index("tool.finished")] == ["tool.started", "log", "log"]
    assert last(run, "tool.finished")["is_error"] is False


def test_a_file_that_the_plan_has_no_room_for_is_said_and_the_run_goes_on(
    scripted: Play, start: Start, team: Team
) -> None:
    entitlements.assign_plan(team=team, actor=None, plan="free")
    StoredFileFactory(team=team, size=GB - 10)
    files = {"large.md": "x" * 50, "small.md": "ok"}
    scripted(*([call("write_file", path=path, content=text)] for path, text in files.items()), [say("Done.")])

    with engine():
        run = settled(start("write_file"), "succeeded")

    told = [event.data for event in run.events.filter(type="tool.finished").order_by("seq")]
    assert [one["is_error"] for one in told] == [True, False]
    assert told[0]["summary"].startswith("large.md was not kept. Storage: 1.0 GB of the 1 GB in the plan Free")
    assert list(run.artifacts.values_list("path", flat=True)) == ["small.md"]


@pytest.mark.parametrize("patience_s", [0.2, 30.0])
def test_a_tool_waits_for_room_on_the_disk_and_nobody_is_told_a_fault(
    scripted: Play, start: Start, settings: Any, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr(tool_executor, "PATIENCE_S", patience_s)
    runtime = scripted([call("write_file", path="a/report.md", content=TEXT * 1000)], [say("Done.")])
    with small_disk(size_mb=8) as disk:
        settings.WORKSPACE_DIR = disk / "workspaces"
        settings.WORKSPACE_DIR.mkdir()
        with engine():
            with no_room(disk, lambda: [os.getpid()]):
                run = start("write_file")
                if patience_s < 1:
                    settled(run, "waiting")
                    assert run.waiting_kind == "timer"
                    assert "disk is full" in last(run, "error")["detail"]
                else:
                    until(lambda: "tool.started" in types(run) or "run.started" in types(run))
            for _ in range(3):
                settled(run, "waiting", "succeeded")
                Run.objects.filter(pk=run.pk, status="waiting").update(start_at=Now())
                periodic.start_due_runs()
            settled(run, "succeeded")

    result: Any = runtime.calls[-1].messages[-1]["content"][0]
    assert (result["is_error"], Artifact.objects.get(run=run).path) == (False, "a/report.md")
