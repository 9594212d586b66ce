"""Changes of the page by an event, besides its own line: badge, plan, numbers, files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tasks import events
from tasks.fragments.lines import result_of
from tasks.fragments.rows import QUIET_TOOLS, file_icon, is_image, label_key, tool_icon, tool_key
from tasks.models import RunStatus

MAX_SEGMENTS = 24
"""Segments of the progress strip."""


def block(target: str, swap: str, inner: str = "", *, unless: str = "") -> SafeString:
    """Return one change of the page, with a swap of static/dist/js/run-apply.js.

    `unless` names an element whose presence makes the change unnecessary.
    """
    condition = format_html(' data-unless="{}"', unless) if unless else ""
    return format_html('<template data-target="{}" data-swap="{}"{}>{}</template>', target, swap, condition, inner)


LOAD = block("run-state", "load")
"""Block that reloads the state from the server, which knows more than the event: forms, answers, possible actions."""
QUIET = block("run-typing", "remove")


@singledispatch
def blocks_of(event: events.Event) -> list[SafeString]:
    return []


def _badge(status: str, waiting_on: str = "") -> SafeString:
    inner = render_to_string("tasks/_status.html", {"status": status, "waiting_on": waiting_on})
    return block("run-status", "inner", inner)


def now_of(event: events.Event) -> SafeString | None:
    """Return the agent's present activity by this event, or None."""
    match event:
        case events.Activity(text=lead) | events.Progress(label=lead) if lead:
            detail = ""
        case events.ModelStarted(attempt=1):
            lead, detail = "Thinking", ""
        case events.ModelStarted(attempt=attempt):
            lead, detail = f"Asking the model again, try {attempt}", ""
        case events.ToolStarted(tool=detail) if detail not in QUIET_TOOLS:
            lead = event.headline or event.title
        case _:
            return None
    return render_to_string("tasks/_now.html", {"lead": lead, "detail": detail})


@blocks_of.register(events.RunQueued)
@blocks_of.register(events.RunContinued)
def _queued(event: events.Event) -> list[SafeString]:
    return [_badge("queued"), LOAD, QUIET]


@blocks_of.register(events.RunStarted)
@blocks_of.register(events.RunResumed)
def _running(event: events.Event) -> list[SafeString]:
    return [_badge("running"), LOAD]


@blocks_of.register
def _waiting(event: events.RunWaiting) -> list[SafeString]:
    return [_badge("waiting", event.kind), LOAD, QUIET]


@blocks_of.register
def _in_review(event: events.RunNeedsReview) -> list[SafeString]:
    return [_badge("needs_review"), LOAD, QUIET]


@blocks_of.register
def _finished(event: events.RunFinished) -> list[SafeString]:
    badge = [_badge(event.status)] if event.status in RunStatus.values else []
    return [*badge, LOAD, QUIET]


@blocks_of.register(events.HumanRequested)
@blocks_of.register(events.HumanAnswered)
@blocks_of.register(events.HumanExpired)
def _people(event: events.Event) -> list[SafeString]:
    return [LOAD]


@blocks_of.register(events.ModelStarted)
@blocks_of.register(events.Message)
@blocks_of.register(events.Error)
def _end_of_typing(event: events.Event) -> list[SafeString]:
    return [QUIET]


@blocks_of.register
def _thought(event: events.ModelFinished) -> list[SafeString]:
    read = event.input_tokens + event.cache_read_tokens + event.cache_write_tokens
    return [QUIET, block("run-tokens-in", "add", str(read)), block("run-tokens-out", "add", str(event.output_tokens))]


@blocks_of.register
def _called(event: events.ToolFinished) -> list[SafeString]:
    """Return the blocks that add the outcome to the call's line. The line exists since the call started."""
    if event.tool in QUIET_TOOLS:
        return []
    key = tool_key(event.call_id)
    result = render_to_string("tasks/_tool_result.html", {"done": event, "result": result_of(event)})
    return [
        block(
            f"{key}-node",
            "outer",
            render_to_string(
                "tasks/_tool_node.html", {"id": key, "done": event, "icon": tool_icon(event.tool, event.icon)}
            ),
        ),
        block(f"{key}-what", "inner", render_to_string("tasks/_tool_what.html", {"done": event})),
        block(f"{key}-took", "inner", render_to_string("tasks/_tool_took.html", {"done": event})),
        block(f"{key}-result", "inner", result),
    ]


@blocks_of.register
def _plan(event: events.Plan) -> list[SafeString]:
    phases = _phases(event)
    return [
        block("run-plan", "inner", plan_html(event)),
        block("run-segs", "inner", _segs([phase["st"] for phase in phases], f"{len(phases)} steps")),
    ]


def plan_html(plan: events.Plan) -> SafeString:
    return render_to_string("components/plan.html", {"phases": _phases(plan)})


def _phases(plan: events.Plan) -> list[dict[str, str]]:
    states = {"done": "done", "active": "now", "running": "now", "failed": "fail"}
    return [
        {"name": str(step.get("title", "")), "st": states.get(str(step.get("status", "")), "todo"), "t": ""}
        for step in plan.steps
    ]


@blocks_of.register
def _progress(event: events.Progress) -> list[SafeString]:
    told = render_to_string("tasks/_progress.html", {"progress": event})
    return [
        block("run-steps", "append", step_html(event)),
        block("run-segs", "inner", progress_segs(event)),
        block("run-progress", "inner", told),
    ]


def step_html(progress: events.Progress) -> SafeString:
    return render_to_string("tasks/_step.html", {"progress": progress, "key": label_key(progress)})


def progress_segs(progress: events.Progress, *, state: str = "now") -> SafeString:
    """Draw the strip of steps. `state` is that of the last reported one: now, wait (for a person) or done."""
    total = max(round(progress.total), 1)
    done = min(max(round(progress.done), 0), total)
    if total > MAX_SEGMENTS:
        done, total = done * MAX_SEGMENTS // total, MAX_SEGMENTS
    current = [state] * (done > 0)
    states: Sequence[str] = ["done"] * max(done - 1, 0) + current + ["todo"] * (total - done)
    return _segs(states, f"Step {progress.done:g} of {progress.total:g}")


def _segs(states: Sequence[str], label: str) -> SafeString:
    return render_to_string("tasks/_segs.html", {"states": states, "label": label})


@blocks_of.register
def _charged(event: events.UsageCharged) -> list[SafeString]:
    cost = render_to_string("tasks/_cost.html", {"cost_usd": event.total_usd})
    return [block("run-cost", "text", cost), block("run-meter", "value", cost)]


@blocks_of.register(events.ArtifactCreated)
@blocks_of.register(events.FileChanged)
def _file(event: events.ArtifactCreated | events.FileChanged) -> list[SafeString]:
    context = {
        "id": event.artifact,
        "path": event.path,
        "size": event.size,
        "version": getattr(event, "version", 1),
        "icon": file_icon(event.path),
        "is_image": is_image(event.path),
    }
    return [block("run-files", "append", render_to_string("tasks/_file.html", context))]
