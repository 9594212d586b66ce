"""Parts of a run's page: history in pages, the waterfall, previews, the receipt, the bundle."""

from __future__ import annotations

import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import UsageRecord
from storage.services import save_file
from tasks import event_log, events
from tasks.live import history
from tasks.models import Artifact, Run, RunEvent, RunStatus
from tasks.reports.bundle import write_bundle
from tasks.reports.estimates import estimate
from tasks.reports.receipt import receipt
from tasks.run_page.previews import preview
from tasks.run_page.timeline import timeline
from tests.factories import RunFactory, StoredFileFactory, TaskFactory
from tests.html import Page

START = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)


def say(n: int) -> events.Message:
    return events.Message(step=n, role="agent", text=f"Word {n}.")


def started(call_id: str) -> events.ToolStarted:
    headline, arguments = f"Query {call_id}", {"sql": "SELECT 1"}
    return events.ToolStarted(
        step=1, call_id=call_id, tool="query_table", title="Q", headline=headline, arguments=arguments
    )


def ended(call_id: str) -> events.ToolFinished:
    return events.ToolFinished(
        step=1, call_id=call_id, tool="query_table", summary="Got it", is_error=False, duration_s=1
    )


@pytest.fixture
def run(db: None) -> Run:
    return RunFactory()


def ids(shown: history.History) -> list[str]:
    return [tag["id"] for line in shown.lines for tag in Page(line).all("li")]


def test_history_comes_in_pages_without_a_gap(run, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 4)
    event_log.append(run, *[say(n) for n in range(1, 11)])

    newest = history.activity(run, before=run.last_seq + 1)
    middle = history.activity(run, before=newest.first_seq)
    oldest = history.activity(run, before=middle.first_seq)

    assert ids(oldest) + ids(middle) + ids(newest) == [f"e-{n}" for n in range(1, 11)]
    assert oldest.first_seq == 1


def test_a_call_across_two_pages_is_one_whole_line_on_the_newer(run, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 3)
    event_log.append(run, say(1), started("a"), say(2), say(3), ended("a"), say(4))

    newest = history.activity(run, before=7)
    oldest = history.activity(run, before=newest.first_seq)

    assert ids(newest) == ["e-4", "call-a", "e-6"]
    assert "SELECT 1" in newest.lines[1]
    assert "Got it" in newest.lines[1]
    assert ids(oldest) == ["e-1", "e-3"]


def test_an_open_call_and_repeated_progress_are_one_line_each(run):
    event_log.append(run, started("a"), *[events.Progress(done=n, total=3, label="Reading") for n in (1, 2, 3)])

    shown = history.activity(run, before=5)

    assert len(shown.lines) == 2
    assert "shimmer" in shown.lines[0]
    assert "Step 3 of 3" in shown.lines[1]


def test_history_asks_the_database_a_constant_number_of_times(run):
    event_log.append(run, *[say(n) for n in range(1, 300)])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        history.activity(run, before=400)

    assert len(queries) == 1


def at(run: Run, seconds: float, event: events.Event) -> None:
    event_log.append(run, event)
    RunEvent.objects.filter(run=run, seq=run.last_seq).update(at=START + timedelta(seconds=seconds))


def test_the_waterfall_draws_long_waits_short(run):
    at(run, 0, events.ModelStarted(step=1, model="demo-1", attempt=1))
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0}
    at(run, 5, events.ModelFinished(step=1, model="demo-1", stop="tool_use", cost_usd="0.01", duration_s=5, **usage))
    at(run, 5, events.Message(step=1, role="agent", text="I ask first.\nThen I go on."))
    at(run, 5, events.HumanRequested(request="q", kind="question", title="Which?"))
    at(run, 3605, events.HumanAnswered(request="q", kind="question", by="Alice", value="a"))
    at(run, 3605, started("a"))
    at(run, 3610, ended("a"))
    finished = START + timedelta(seconds=3610)
    Run.objects.filter(pk=run.pk).update(status=RunStatus.SUCCEEDED, finished_at=finished)
    run.refresh_from_db()

    drawn = timeline(run)

    assert [(s.name, s.kind) for s in drawn.spans] == [
        ("I ask first. Then I go on.", "model"),
        ("Which?", "human"),
        ("Query a", "tool"),
    ]
    model, wait, tool = drawn.spans
    assert model.width == pytest.approx(tool.width)
    assert wait.width == pytest.approx(13.04, abs=0.1)
    assert wait.took_s == 3600
    assert (drawn.ticks[0], drawn.ticks[-1]) == (START, finished)


def test_a_failed_call_is_red_and_an_open_one_reaches_to_now(run):
    at(run, 0, started("a"))
    at(run, 1, events.ToolFinished(step=1, call_id="a", tool="query_table", summary="No", is_error=True, duration_s=1))
    at(run, 1, started("b"))

    drawn = timeline(run)

    assert [span.kind for span in drawn.spans] == ["fail", "tool"]
    assert drawn.spans[1].end is None
    assert drawn.spans[1].left + drawn.spans[1].width == pytest.approx(100, abs=0.1)


def test_an_empty_run_has_an_empty_waterfall(run):
    assert timeline(run).spans == []


def kept(run: Run, name: str, content: bytes):
    return save_file(team_id=run.team_id, content=content, name=name)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.md", b"# Hello", "markdown"),
        ("a.csv", b"\xef\xbb\xbfa;b\n1;2\n", "table"),
        ("a.json", b'{"a": [1]}', "text"),
        ("a.txt", b"caf\xe9 au lait", "text"),
        ("a.png", b"\x89PNG\r\n\x1a\n....", "image"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image"),
        ("fake.png", b"<script>alert(1)</script>", "text"),
        ("a.bin", bytes(range(256)), "none"),
        ("empty.csv", b"", "none"),
    ],
)
def test_a_preview_shows_what_the_file_is(run, name, content, kind):
    assert preview(kept(run, name, content), path=name).kind == kind


def test_the_first_rows_of_a_table_and_what_is_missing(run):
    content = "a;b\n" + "".join(f"{n};{n * 2}\n" for n in range(200))

    shown = preview(kept(run, "a.csv", content.encode()), path="a.csv")

    assert shown.columns == ["a", "b"]
    assert len(shown.rows) == 50
    assert shown.rows[1] == ["1", "2"]
    assert shown.note == "The first rows. The download has all of them."


def test_a_preview_reads_other_encodings(run):
    russian = preview(kept(run, "a.csv", "город,сумма\nКазань,10\n".encode("cp1251")), path="a.csv")  # noqa: RUF001
    mixed = preview(kept(run, "b.txt", "Zoë 北京\nИ\n".encode() + "Müller".encode("cp1252")), path="b.txt")

    assert russian.rows == [["Казань", "10"]]
    assert mixed.text == "Zoë 北京\nИ\nMüller"


def test_a_file_that_is_too_large_is_not_read(run):
    large = StoredFileFactory(team=run.team, size=50_000_000)

    assert preview(large, path="report.md").kind == "none"


def usage(run: Run, key: str, **more) -> None:
    UsageRecord.objects.create(
        team=run.team,
        run_id=run.pk,
        key=key,
        kind="model",
        step_key=key,
        model="demo-1",
        **({"outcome": "charged"} | more),
    )


def test_the_receipt_sums_what_is_charged_and_lists_lost_tries_as_free(run):
    usage(run, "m1", input_tokens=100, cache_read_tokens=900, output_tokens=50, cost_usd=Decimal("0.010000"))
    usage(run, "unknown:x", outcome="unknown", input_tokens=7, cost_usd=Decimal("0.500000"))
    usage(run, "m2", output_tokens=5, cost_usd=Decimal("0.002500"))
    usage(RunFactory(), "other", cost_usd=Decimal("9"))

    found = receipt(run)

    assert [(line.is_free, line.cost_usd) for line in found.lines] == [
        (False, Decimal("0.010000")),
        (True, Decimal(0)),
        (False, Decimal("0.002500")),
    ]
    assert found.total_usd == Decimal("0.012500")
    assert (found.tokens_in, found.tokens_out, found.free_tries) == (1000, 55, 1)


def test_the_bundle_has_everything_about_the_run(run):
    event_log.append(run, say(1), say(2))
    Artifact.objects.create(team=run.team, run=run, path="out/report.md", file=kept(run, "report.md", b"# Hello"))
    target = io.BytesIO()

    write_bundle(run, target)

    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive}
    assert {"run.json", "events.ndjson", "receipt.json", "files/out/report.md"} < set(content)
    assert content["files/out/report.md"] == b"# Hello"
    assert [json.loads(line)["seq"] for line in content["events.ndjson"].splitlines()] == [1, 2]
    assert json.loads(content["run.json"])["title"] == run.title


def test_an_estimate_is_the_median_of_what_succeeded(db):
    task = TaskFactory()
    assert estimate(task) is None
    for seconds, cost in ((10, "0.10"), (30, "0.20"), (500, "0.90")):
        finished = {"status": RunStatus.SUCCEEDED, "finished_at": START}
        RunFactory(agent=task.agent, task=task, active_s=seconds, cost_usd=Decimal(cost), **finished)
    RunFactory(agent=task.agent, task=task, active_s=9000, status=RunStatus.FAILED, finished_at=START)

    found = estimate(task)

    assert found is not None
    assert (found.runs, found.active_s, found.cost_usd) == (3, 30, Decimal("0.200000"))
