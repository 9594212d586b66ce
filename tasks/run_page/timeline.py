"""Timeline of a run. Each model call, tool call and wait for a person is a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils import timezone

from tasks.fragments.lines import Argument, arguments_of
from tasks.fragments.rows import QUIET_TOOLS, tool_icon
from tasks.models import TERMINAL, Run, RunEvent
from tasks.services.forks import STEP_ENDS

MAX_SPANS = 400
TICKS = 4
LONGEST_WAIT = 0.15
"""Largest share of the timeline's width for a time without work, however long."""
TYPES = (
    *("message", "model.started", "model.finished", "tool.started", "tool.finished"),
    *("human.requested", "human.answered", "run.needs_review", "run.reviewed"),
)
ENDS = ("human.expired", "attempt.lost", "run.finished", "error")


@dataclass(slots=True)
class Span:
    """Bar of the timeline. `left` and `width` are percent of its width."""

    name: str
    icon: str
    kind: str
    start: datetime
    end: datetime | None = None
    took_s: float = 0
    cost_usd: str = ""
    depth: int = 1
    about: list[Argument] = field(default_factory=list)
    output: str = ""
    settled_seq: int = 0
    """Event that settled the step, from which the run can be forked; 0 where it cannot."""
    left: float = 0
    width: float = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    spans: Sequence[Span]
    ticks: Sequence[datetime]
    is_cut: bool


def timeline(run: Run) -> Timeline:
    """Return the newest MAX_SPANS bars of the run."""
    events = run.events.filter(type__in=(*TYPES, *ENDS)).order_by("seq")
    spans = _spans(events)
    cut = spans[-MAX_SPANS:]
    now = run.finished_at if run.status in TERMINAL and run.finished_at else timezone.now()
    for span in cut:
        span.took_s = span.took_s or ((span.end or now) - span.start).total_seconds()
    ticks = _place(cut, now) if cut else []
    return Timeline(cut, ticks, len(cut) < len(spans))


def _spans(events: Any) -> list[Span]:
    spans: list[Span] = []
    running: dict[str, Span] = {}
    thought: Span | None = None
    for event in events.iterator():
        if event.type == "message":
            if thought and event.data.get("role") == "agent":
                thought.name = " ".join(str(event.data.get("text", "")).split())[:120] or thought.name
            continue
        opened = _opened(event)
        if opened:
            key, span = opened
            spans.append(span)
            running[key] = span
            thought = span if span.kind == "model" else thought
        else:
            _close(event, running)
    return spans


def _opened(event: RunEvent) -> tuple[str, Span] | None:
    data = event.data
    if event.type == "model.started":
        return "model", Span(data.get("model", ""), "brain", "model", event.at)
    if event.type == "tool.started" and data.get("tool") not in QUIET_TOOLS:
        name = data.get("headline") or data.get("title", "")
        icon = tool_icon(data.get("tool", ""), data.get("icon", ""))
        about = arguments_of(data.get("arguments"))
        return f"call-{data.get('call_id')}", Span(name, icon, "tool", event.at, depth=2, about=about)
    if event.type == "run.needs_review":
        return f"ask-{data.get('request')}", Span("Review", "eye", "human", event.at, depth=2)
    if event.type == "human.requested":
        return f"ask-{data.get('request')}", Span(data.get("title", ""), "hand", "human", event.at, depth=2)
    return None


def _close(event: RunEvent, running: dict[str, Span]) -> None:
    data = event.data
    key = {
        "model.finished": "model",
        "tool.finished": f"call-{data.get('call_id')}",
        "human.answered": f"ask-{data.get('request')}",
        "human.expired": f"ask-{data.get('request')}",
        "run.reviewed": f"ask-{data.get('request')}",
    }.get(event.type)
    if key is None:
        ended = list(running) if event.type != "error" else ["model"]
        for name in ended:
            if span := running.pop(name, None):
                span.end = event.at
                span.kind = "fail" if event.type != "run.finished" else span.kind
        return
    span = running.pop(key, None)
    if span is None:
        return
    span.end, span.took_s = event.at, float(data.get("duration_s") or 0)
    span.cost_usd = "" if Decimal(data.get("cost_usd") or 0) == 0 else data["cost_usd"]
    span.output = data.get("preview", "")
    if event.type in STEP_ENDS:
        span.settled_seq = event.seq
    if data.get("is_error"):
        span.kind = "fail"


def _place(spans: Sequence[Span], now: datetime) -> list[datetime]:
    """Place the bars on an axis on which long waits are shortened. Return the times at its even ticks."""
    start = min(span.start for span in spans)
    stops = sorted({start, now, *(s.start for s in spans), *(s.end or now for s in spans)})
    work = [(s.start, s.end or now) for s in spans if s.kind != "human"]
    lengths = [(b - a).total_seconds() for a, b in pairwise(stops)]
    is_wait = [not any(w0 <= a and b <= w1 for w0, w1 in work) for a, b in pairwise(stops)]
    worked = sum(n for n, wait in zip(lengths, is_wait, strict=True) if not wait) or 1.0
    most = max(worked * LONGEST_WAIT, 0.001)
    widths = [min(n, most) if wait else n for n, wait in zip(lengths, is_wait, strict=True)]
    total = sum(widths) or 1.0
    at: dict[datetime, float] = {stops[0]: 0.0}
    for stop, width, before in zip(stops[1:], widths, stops, strict=False):
        at[stop] = at[before] + width / total * 100
    for span in spans:
        span.left = round(at[span.start], 2)
        span.width = round(max(at[span.end or now] - span.left, 0.4), 2)
        span.left = min(span.left, 100 - span.width)
    return [_time_at(n * 100 / TICKS, stops, at) for n in range(TICKS + 1)]


def _time_at(percent: float, stops: Sequence[datetime], at: dict[datetime, float]) -> datetime:
    for before, after in pairwise(stops):
        if at[before] <= percent <= at[after] and at[after] > at[before]:
            return before + (after - before) * ((percent - at[before]) / (at[after] - at[before]))
    return stops[-1]
