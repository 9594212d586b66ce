"""Lines of the activity list: an icon, a bold headline and a text for each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import singledispatch
from hashlib import sha256
from typing import Any

from tasks import events
from tools.catalog import Catalog
from tools.spec import UNKNOWN_ICON

QUIET_TOOLS = ("report_progress", "ask_human")
"""Tools whose effect is shown by an event of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Line of the activity list. A later line with the same `key` replaces it."""

    icon: str
    headline: str
    text: str = ""
    text_template: str = ""
    """Template for the text when it contains numbers; rendered with `context`."""
    code: str = ""
    markdown: str = ""
    """Markdown below the line."""
    tone: str = ""
    key: str = ""
    template: str = "tasks/_event.html"
    context: Mapping[str, Any] = field(default_factory=dict)
    """Further variables of the template."""


@singledispatch
def row_of(event: events.Event) -> Row | None:
    """Return the line of an event. None for one that shows elsewhere on the page, or only in the log."""
    return None


# ---- The run


@row_of.register
def _created(event: events.RunCreated) -> Row:
    return Row(icon="send", headline=f"{event.by} handed this to {event.agent}")


@row_of.register
def _queued(event: events.RunQueued) -> Row | None:
    words = {
        "early": ("calendar-clock", "Started before its time"),
        "handover": ("refresh-cw", "Handed over to another worker"),
        "requeued": ("refresh-cw", "Restarted by an operator"),
    }
    icon, lead = words.get(event.reason, ("", ""))
    return Row(icon=icon, headline=lead) if lead else None


@row_of.register
def _continued(event: events.RunContinued) -> Row:
    return Row(icon="play", headline=f"{event.by} continued the run", text="It goes on after its last finished step.")


@row_of.register
def _started(event: events.RunStarted) -> Row:
    return Row(icon="play", headline="Started", text=f"with {event.badge or event.model}")


@row_of.register
def _waiting(event: events.RunWaiting) -> Row | None:
    if event.kind == "model":
        return Row(icon="timer", headline="Waits for the model", text=event.detail)
    if event.kind != "timer":
        return None
    return Row(icon="timer", headline="Waits a little, then tries again", text=event.detail)


@row_of.register
def _in_review(event: events.RunNeedsReview) -> Row:
    return Row(icon="eye", headline="Handed in for review", tone="human")


@row_of.register
def _reviewed(event: events.RunReviewed) -> Row:
    words = {"approve": "approved the result", "reject": "rejected the result", "revise": "asked for changes"}
    tone = {"approve": "ok", "reject": "bad"}.get(event.decision, "")
    said = "" if event.decision == "revise" else event.comment
    return Row(
        icon="user", headline=f"{event.by} {words.get(event.decision, event.decision)}", markdown=said, tone=tone
    )


@row_of.register
def _finished(event: events.RunFinished) -> Row:
    spent: dict[str, Any] = {"text_template": "tasks/_event_spent.html", "context": {"event": event}}
    if event.status == "succeeded":
        return Row(icon="check", headline="Finished", tone="ok", **spent)
    if event.status == "failed":
        return Row(icon="triangle-alert", headline="Stopped", text=event.error_detail or event.error_code, tone="bad")
    if event.status == "rejected":
        return Row(icon="circle-slash", headline="Closed", tone="bad", **spent)
    return Row(icon="ban", headline=event.status.capitalize(), text=event.summary)


@row_of.register
def _lost(event: events.AttemptLost) -> Row:
    lead = "Its worker was stopped" if event.reason == "let go" else "Lost its worker"
    return Row(icon="refresh-cw", headline=lead, text="Another one goes on after the last finished step.")


# ---- Reports of the agent


@row_of.register
def _phase(event: events.Phase) -> Row:
    return Row(icon="", headline=event.name, template="tasks/_event_phase.html")


@row_of.register
def _plan(event: events.Plan) -> Row:
    count = len(event.steps)
    return Row(icon="list-checks", headline=f"Planned {count} step{'s' if count != 1 else ''}", key="plan")


@row_of.register
def _feature(event: events.FeatureStarted) -> Row:
    return Row(
        icon="", headline=f"Feature {event.number} of {event.total} · {event.name}", template="tasks/_event_phase.html"
    )


@row_of.register
def _feature_done(event: events.FeatureFinished) -> Row:
    if event.is_ok:
        return Row(icon="check", headline="Built", text=event.name, tone="ok")
    return Row(icon="x", headline="Not finished", text=event.name, tone="bad")


@row_of.register
def _progress(event: events.Progress) -> Row | None:
    """Return one divider for each label, so that a counting tool does not fill the page."""
    if not event.label:
        return None
    key = f"at-{label_key(event)}"
    lead = f"Step {event.done:g} of {event.total:g} · {event.label}" if event.total else event.label
    return Row(icon="", headline=lead, key=key, template="tasks/_event_phase.html")


def label_key(event: events.Progress) -> str:
    return sha256(event.label.encode()).hexdigest()[:12]


@row_of.register
def _message(event: events.Message) -> Row:
    if event.role == "person":
        return Row(icon="user", headline=f"{event.by or 'A person'} wrote", markdown=event.text)
    return Row(
        icon="message-square-text",
        headline="",
        markdown=event.text,
        tone="accent",
        template="tasks/_event_message.html",
    )


# ---- Tools


@row_of.register
def _tool_started(event: events.ToolStarted) -> Row | None:
    if event.tool in QUIET_TOOLS:
        return None
    return Row(
        icon=tool_icon(event.tool, event.icon),
        headline=event.headline or event.title,
        key=tool_key(event.call_id),
        template="tasks/_event_tool.html",
        context={"call": event},
    )


@row_of.register
def _tool_finished(event: events.ToolFinished) -> Row | None:
    """Return a line only for a call that was refused before it started. Others have their line already."""
    if event.tool in QUIET_TOOLS:
        return None
    return Row(
        icon=tool_icon(event.tool, event.icon),
        headline=event.summary or event.tool,
        key=tool_key(event.call_id),
        template="tasks/_event_tool.html",
        context={"call": event, "done": event},
    )


@row_of.register
def _tool_unknown(event: events.ToolUnknown) -> Row:
    what = "It is safe to repeat, so it is made again." if event.will_repeat else "It is not repeated by itself."
    return Row(icon="triangle-alert", headline="The answer of a call was lost", code=event.tool, text=what)


def tool_key(call_id: str) -> str:
    return f"call-{call_id}"


def tool_icon(name: str, recorded: str) -> str:
    """Return the icon that the event kept. Events of older versions keep none: then that of the present tool."""
    if recorded:
        return recorded
    spec = Catalog().get(name)
    return spec.icon if spec else UNKNOWN_ICON


# ---- People


@row_of.register
def _asked(event: events.HumanRequested) -> Row | None:
    if event.kind == "question":
        return Row(icon="message-circle-question-mark", headline="Asked", text=event.title, tone="human")
    if event.kind == "approval":
        return Row(icon="hand", headline="Asked for permission", text=event.title, tone="human")
    if event.kind == "no_progress":
        return Row(icon="circle-pause", headline="Paused", text=event.title, tone="human")
    if event.kind == "unknown_effect":
        return Row(icon="circle-question-mark", headline="Asked what happened", text=event.title, tone="human")
    return None


RAISED = "raised the limit"
ANSWERS = {
    ("approval", "approve"): ("allowed it once", "ok"),
    ("approval", "edit"): ("changed the request and allowed it", "ok"),
    ("approval", "reject"): ("did not allow it", "bad"),
    ("budget", "raise"): ("let it go on", ""),
    ("budget", "stop"): ("stopped the run", ""),
    ("unknown_effect", "happened"): ("says that it did happen", ""),
    ("unknown_effect", "retry"): ("had it made again", ""),
    ("unknown_effect", "skip"): ("left it out", ""),
    ("no_progress", "continue"): ("let it go on", ""),
    ("no_progress", "stop"): ("stopped the run", ""),
}


@row_of.register
def _answered(event: events.HumanAnswered) -> Row | None:
    if event.kind == "review":
        return None
    if event.kind == "question":
        return Row(icon="user", headline=f"{event.by} answered", text=_value(event.value))
    words, tone = ANSWERS.get((event.kind, event.decision), (event.decision, ""))
    if event.kind == "budget" and event.value:
        words = f"{RAISED} to ${Decimal(event.value):,.2f}"
    icon = "wallet" if event.kind == "budget" else "user"  # money that came back is nobody
    return Row(icon=icon, headline=f"{event.by} {words}", markdown=event.comment, tone=tone)


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@row_of.register
def _expired(event: events.HumanExpired) -> Row:
    return Row(icon="hourglass", headline="Nobody answered in time")


# ---- Results and costs


@row_of.register
def _artifact(event: events.ArtifactCreated) -> Row:
    return _file(event, "Delivered", event.content_type)


@row_of.register
def _changed(event: events.FileChanged) -> Row:
    return _file(event, "Changed", "")


def _file(event: events.ArtifactCreated | events.FileChanged, lead: str, content_type: str) -> Row:
    return Row(
        icon=file_icon(event.path),
        headline=lead,
        code=event.path,
        template="tasks/_event_file.html",
        context={"file": event, "is_image": is_image(event.path)},
    )


ICONS = {
    "md": "file-text",
    "txt": "file-text",
    "csv": "file-spreadsheet",
    "tsv": "file-spreadsheet",
    "xlsx": "file-spreadsheet",
    "parquet": "file-spreadsheet",
    "json": "file-json",
    "svg": "image",
    "png": "image",
    "jpg": "image",
    "jpeg": "image",
    "gif": "image",
    "webp": "image",
    "py": "file-code-2",
    "html": "file-code-2",
    "gz": "file-archive",
    "zip": "file-archive",
}


def file_icon(path: str) -> str:
    return ICONS.get(path.rpartition(".")[2].lower(), "file")


def is_image(path: str) -> bool:
    return file_icon(path) == "image"


@row_of.register
def _tests(event: events.TestFinished) -> Row:
    total = event.passed + event.failed
    if event.failed:
        return Row(
            icon="flask-conical", headline=f"{event.failed} of {total} tests failed", code=event.name, tone="bad"
        )
    return Row(icon="flask-conical", headline=f"{total} of {total} tests pass", code=event.name, tone="ok")


@row_of.register
def _memory(event: events.MemorySaved) -> Row:
    return Row(icon="brain", headline="Will remember", text=event.text)


@row_of.register
def _near_limit(event: events.BudgetWarning) -> Row:
    lead = f"The {event.scope} budget is nearly used"
    return Row(
        icon="gauge", headline=lead, text_template="tasks/_event_budget.html", context={"event": event}, tone="human"
    )


@row_of.register
def _no_money(event: events.BudgetExhausted) -> Row:
    lead = f"The {event.scope} budget does not allow the next call"
    return Row(
        icon="wallet", headline=lead, text_template="tasks/_event_budget.html", context={"event": event}, tone="human"
    )


@row_of.register
def _error(event: events.Error) -> Row:
    if event.code == "files_away":
        return Row(icon="rotate-cw", headline="Waits for its files", markdown=event.detail)
    if event.will_retry and not event.code.startswith("model_"):
        return Row(icon="rotate-cw", headline="Tries again", text=event.detail)
    if event.will_retry:
        return Row(icon="rotate-cw", headline="No answer from the model, trying again", text=event.detail)
    return Row(icon="triangle-alert", headline="Something went wrong", text=event.detail, tone="bad")
