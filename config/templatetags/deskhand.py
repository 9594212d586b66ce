"""Template components, available in every template without loading. docs/ui.md shows them with their context."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import formats
from accounts.rest.idempotency import FORM_KEY
from billing import entitlements
from billing.plans import Limit
from config.ui import charts, fields, icons, markdown, scripts

register = template.Library()

register.simple_tag(icons.draw, name="icon")
register.simple_tag(scripts.page_script, takes_context=True)
register.simple_tag(charts.bars, name="chart_bars")
register.simple_tag(charts.line, name="chart_line")
register.simple_tag(charts.spark, name="spark")
register.simple_tag(charts.budget_bar, name="budget_bar")
register.simple_tag(charts.lane, name="lane")
register.filter("money", formats.money)
register.filter("duration", formats.duration)
register.filter("file_size", formats.file_size)
register.filter("compact", formats.compact)
register.filter("plain", lambda text: markdown.plain(str(text or "")))

# status → (tone, label, icon): the only place where a status gets a colour
STATUS = {
    "scheduled": ("", "Scheduled", "calendar-clock"),
    "queued": ("", "Queued", "clock"),
    "running": ("accent", "Running", ""),
    "waiting": ("human", "Needs you", "hand"),
    "needs_review": ("human", "In review", "eye"),
    "succeeded": ("ok", "Done", "check"),
    "failed": ("bad", "Failed", "x"),
    "cancelled": ("", "Cancelled", "ban"),
    "expired": ("", "Expired", "hourglass"),
    "rejected": ("bad", "Rejected", "circle-slash"),
}
HUES = ("blue", "teal", "moss", "amber", "coral", "rose", "plum", "slate")
PRESENCE = {"working": "live", "waiting": "dot dot-human", "idle": "dot dot-ok", "paused": "dot dot-idle"}


@register.inclusion_tag("components/status.html")
def status(value: str, waiting_on: str = "", size: str = "") -> dict[str, Any]:
    """Show the badge of a run. A run that waits for a timer is not amber: it needs nobody."""
    tone, label, icon = STATUS[value]
    if value == "waiting" and waiting_on == "timer":
        tone, label, icon = "", "Trying again soon", "timer"
    if value == "waiting" and waiting_on == "model":
        tone, label, icon = "", "Waiting for the model", "timer"
    return {"tone": tone, "label": label, "icon": icon, "live": value == "running", "size": size}


@register.simple_tag
def status_words(value: str, waiting_on: str = "") -> str:
    """Return the status of a run in the words of its page title."""
    label = status(value, waiting_on)["label"]
    return "Waiting for you" if label == "Needs you" else label


@register.inclusion_tag("components/tile.html")
def tile(agent: Any, size: str = "", presence: str = "") -> dict[str, Any]:
    """Show an agent as a rounded square. `presence` is working, waiting, idle or paused."""
    return {"hue": hue(agent), "icon": _get(agent, "icon"), "size": size, "dot": PRESENCE.get(presence, "")}


@register.inclusion_tag("components/plan_note.html", takes_context=True)
def plan_note(context: template.Context, what: str) -> dict[str, Any]:
    """Show a warning if most of a plan's limit is used. `what` is a value of billing.plans.Limit."""
    team = context["team"]
    plan = entitlements.plan_of(team)
    if plan.limits[Limit(what)] is None:
        return {}
    meter = entitlements.meter(team, Limit(what), plan)
    return {"meter": meter if meter.level else None, "plan_url": reverse("billing:plan", args=[team.slug])}


@register.inclusion_tag("components/avatar.html")
def avatar(person: Any, size: str = "") -> dict[str, Any]:
    """Show a person as a circle with initials."""
    return {"hue": hue(person), "initials": _get(person, "initials"), "size": size}


@register.filter(name="markdown", is_safe=True)
def as_html(text: object, files: markdown.Files | None = None) -> SafeString:
    """Render an answer or a message in Markdown as safe HTML. `files`: images and links it may use, by name."""
    return markdown.render(str(text or ""), files=files)


@register.filter(name="markdown_file", is_safe=True)
def file_as_html(text: object, files: markdown.Files | None = None) -> SafeString:
    """Render a Markdown file as safe HTML; its lines may be wrapped."""
    return markdown.render(str(text or ""), files=files, is_document=True)


@register.filter
def hue(thing: Any) -> str:
    value = _get(thing, "hue")
    return value if value in HUES else "blue"


def _get(thing: Any, name: str) -> str:
    value = thing.get(name, "") if isinstance(thing, Mapping) else getattr(thing, name, "")
    return str(value or "")


@register.inclusion_tag("components/copy_id.html")
def copy_id(value: object, label: str = "ID") -> dict[str, str]:
    text = str(value)
    return {"value": text, "short": text if len(text) <= 20 else f"{text[:8]}…{text[-5:]}", "label": label}


@register.simple_tag(takes_context=True)
def form_key(context: template.Context, is_new: object = False) -> SafeString:
    """Return the hidden field that makes a repeated submission count once (accounts/rest/idempotency.py).

    A refused form keeps its key.
    """
    given = "" if is_new or "request" not in context else context["request"].POST.get(FORM_KEY, "")[:64]
    key = given or secrets.token_hex(16)
    return format_html('<input type="hidden" name="{}" value="{}" autocomplete="off">', FORM_KEY, key)


@register.simple_tag
def when(at: datetime | None, empty: str = formats.DASH) -> SafeString | str:
    """Show a relative time, with the exact time on hover; static/dist/js/time.js keeps it current."""
    if at is None:
        return empty
    return format_html(
        '<time datetime="{}" title="{}" data-when>{}</time>',
        at.isoformat(),
        formats.exact_time(at),
        formats.relative_time(at),
    )


@register.simple_tag
def due(at: datetime) -> SafeString:
    """Show a future time: day and time in the reader's zone and, within a week, the time left."""
    day = format_html(
        '<time datetime="{}" title="{}" data-clock="day">{}</time>',
        at.isoformat(),
        formats.exact_time(at),
        formats.day_time(at),
    )
    is_soon = abs(at - timezone.now()) < timedelta(days=7)
    return format_html("<span>{} ({})</span>", day, when(at)) if is_soon else day


@register.simple_tag
def elapsed(seconds: float | None, is_live: bool = False) -> SafeString:
    """Show a duration. While it is live, the browser keeps counting."""
    return format_html(
        '<span class="num"{}>{}</span>',
        format_html(' data-elapsed="{}"', int(seconds or 0)) if is_live else "",
        formats.duration(seconds),
    )


@register.simple_tag
def meter(value: float | str | None, maximum: float | str | None, label: str, css: str = "") -> SafeString:
    """Show the used part of a limit: amber from 80 %, red from 100 %."""
    used, limit = float(value or 0), float(maximum or 0)
    percent = round(used / limit * 100) if limit > 0 else 0
    tone = "meter-over" if percent >= 100 else "meter-warn" if percent >= 80 else ""
    return format_html(
        '<progress class="{}" value="{}" max="{}" aria-label="{}">{}%</progress>',
        " ".join(part for part in ("meter", tone, css) if part),
        min(used, limit) if limit > 0 else 0,
        limit if limit > 0 else 1,
        label,
        percent,
    )


@register.simple_tag
def progress(done: float, total: float) -> SafeString:
    """Show the progress of a run. Never amber or red: those mean that a person is needed, or a limit."""
    return format_html(
        '<progress class="meter" value="{}" max="{}" aria-label="Progress"></progress>', done, total or 1
    )


@register.simple_tag
def segs(states: str | Sequence[str], label: str) -> SafeString:
    """Show a strip of phases: one of done, now, wait, fail or todo each."""
    parts = states.split() if isinstance(states, str) else states
    inner = format_html_join("", '<i class="{}"></i>', ((part,) for part in parts))
    return format_html('<span class="segs" role="img" aria-label="{}">{}</span>', label, inner)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: object) -> str:
    """Return the current query string with changes; an empty value removes the name."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value not in ("", None):
            params[name] = str(value)
    return f"?{params.urlencode()}" if params else "?"


@register.simple_tag
def field(bound: BoundField, **options: Any) -> SafeString:
    """Render one form field with label, help and errors. Options are listed in config/ui/fields.py."""
    return fields.render(bound, **options)
