from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from tasks import events, fragments
from tasks.fragments.lines import visible
from tests.html import HOSTILE, Page

AT = "2026-11-19T14:31:37.123456Z"
SHOWN_ELSEWHERE = {
    "run.resumed": "the badge",
    "activity": "what it does now",
    "model.started": "what it does now",
    "model.finished": "the tokens",
    "tool.requested": "the request for approval that follows it",
    "usage.charged": "the cost",
    "log": "the log",
}


def frame(event: events.Event, seq: int = 4) -> dict[str, Any]:
    return {"kind": "event", "run": "0198", "seq": seq, "type": event.type, "at": AT, "data": event.data()}


def sample(cls: type[events.Event], text: str = "Some words") -> events.Event:
    """Return an event with `text` wherever one can stand, including names and values of its JSON."""
    values: dict[type | str, Any] = {str: text, int: 3, float: 2.5, bool: False}
    filled = {}
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = str(hints[field.name])
        if "Sequence[collections.abc.Mapping" in hint:
            filled[field.name] = [{"title": text, "status": text}]
        elif "Mapping" in hint:
            filled[field.name] = {text: text, "columns": [text], "rows": [[text]], "files": [text]}
        elif hint == "float | None":
            filled[field.name] = 40.0
        elif "Sequence" in hint:
            filled[field.name] = [text]
        else:
            filled[field.name] = values.get(hints[field.name], text)
    return cls(**filled)


@pytest.mark.parametrize("type_", events.EVENT_TYPES)
def test_every_event_is_in_the_log_and_has_a_line_or_shows_elsewhere(type_: str) -> None:
    event = sample(events.EVENT_TYPES[type_])
    special = {
        "run.queued": events.RunQueued(reason="handover"),
        "run.waiting": events.RunWaiting(kind="timer", detail="The model is busy."),
        "human.requested": events.HumanRequested(request="1", kind="question", title="Which?"),
    }

    html = fragments.render(frame(special.get(type_, event)))

    targets = [block["data-target"] for block in Page(html).all("template")]
    assert "run-log" in targets
    assert ("run-activity" in targets) is (type_ not in SHOWN_ELSEWHERE)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("type_", events.EVENT_TYPES)
def test_hostile_words_are_text_and_load_nothing(type_: str, text: str) -> None:
    page = Page(fragments.render(frame(sample(events.EVENT_TYPES[type_], text))))

    assert page.problems() == []
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    templates = page.all("template")
    assert all(set(block) <= {"data-target", "data-swap", "data-unless"} for block in templates)


@pytest.mark.parametrize(
    ("code", "will_retry", "said"),
    [
        ("files_away", True, "Waits for its files"),
        ("model_overloaded", True, "No answer from the model, trying again"),
        ("tool_error", False, "Something went wrong"),
    ],
)
def test_an_error_says_what_it_is_about(code: str, will_retry: bool, said: str) -> None:
    error = events.Error(code=code, detail="It is full.", will_retry=will_retry)

    shown = Page(fragments.row_html(frame(error))[1])  # type: ignore[index]

    assert shown.text.strip().startswith(said)
    assert "It is full." in shown.text


def test_a_file_is_named_by_addresses_relative_to_the_page() -> None:
    made = events.ArtifactCreated(
        artifact="0199", path="chart.svg", size=9, sha256="ab" * 32, content_type="image/svg+xml"
    )

    page = Page(fragments.render(frame(made)))

    assert page.all("img") == [
        {"src": "artifacts/0199/raw/?v=abababababab", "alt": "chart.svg", "loading": "lazy"},
    ]
    assert {link["href"] for link in page.all("a")} == {"artifacts/0199/", "artifacts/0199/download/"}


CALL: dict[str, Any] = {"step": 2, "call_id": "c1", "tool": "query_table"}
STARTED = events.ToolStarted(**CALL, title="Query a table", headline="Query: SELECT 1", arguments={"sql": "SELECT 1"})
FINISHED = events.ToolFinished(
    **CALL,
    summary="Got 1 row",
    is_error=False,
    duration_s=0.2,
    payload={"columns": ["n"], "rows": [[1]], "row_count": 41},
)


def test_a_finished_call_fills_the_line_of_its_start() -> None:
    blocks = {b["data-target"]: b for b in Page(fragments.render(frame(FINISHED))).all("template")}

    assert {"call-c1-node", "call-c1-what", "call-c1-took", "call-c1-result"} <= set(blocks)
    assert blocks["run-activity"]["data-unless"] == "call-c1"


def test_a_reloaded_page_shows_the_call_as_a_watched_one_does() -> None:
    name, html = fragments.row_html(frame(STARTED), frame(FINISHED, 5)) or ("", "")
    page = Page(html)

    assert name == "call-c1"
    assert {tag.get("id") for _, tag in page.tags if tag.get("id")} == {
        "call-c1",
        "call-c1-node",
        "call-c1-what",
        "call-c1-took",
        "call-c1-result",
    }
    assert "Got 1 row" in page.text
    assert "SELECT 1" in page.text
    assert "40 more rows" in page.text


def test_people_read_the_notes_of_a_table_and_all_digits() -> None:
    notes = ["t.csv: Read 1.234 as 1234 in: umsatz.", "<b>"]
    payload = {"columns": ["n"], "rows": [[1234567.89], [145499352.0]], "row_count": 2, "notes": notes}

    _, html = fragments.row_html(frame(STARTED), frame(replace(FINISHED, payload=payload), 5)) or ("", "")

    assert "Note: t.csv: Read 1.234 as 1234 in: umsatz." in html
    assert "Note: &lt;b&gt;" in html
    assert "1,234,567.89" in html
    assert "145,499,352<" in html


def test_a_line_looks_the_same_live_and_reloaded() -> None:
    said = frame(events.Message(step=1, role="agent", text="**Ready.**"))

    _, line = fragments.row_html(said) or ("", "")

    assert line.strip() in fragments.render(said)


def test_an_event_of_another_version_is_only_in_the_log() -> None:
    unknown = frame(events.Log(text="x")) | {"type": "moon.landed", "data": {"text": "<b>one step</b>"}}

    page = Page(fragments.render(unknown))

    assert [b["data-target"] for b in page.all("template")] == ["run-log", "run-seq"]
    assert page.problems() == []


def test_deltas_and_pings_have_no_fragment() -> None:
    assert fragments.render({"kind": "delta", "step": "1", "text": "Hel"}) == ""
    assert fragments.render({"kind": "caught_up", "seq": 4}) == ""


def test_what_cannot_be_seen_is_written_out_where_people_approve() -> None:
    assert visible("pay\u202e001\x00 to\tme\n") == "pay\\u202e001\\u0000 to\tme\n"
    assert visible("café 👩") == "café 👩"


def test_a_refused_status_gets_no_badge() -> None:
    odd = frame(events.RunFinished(status="exploded"))

    assert "run-status" not in [b["data-target"] for b in Page(fragments.render(odd)).all("template")]
