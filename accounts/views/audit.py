"""Settings page of the audit log: search, export, verify."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.audit_export import audit_download
from accounts.models import AuditEntry, User
from accounts.models.audit import AuditEntryQuerySet
from accounts.services import audit_chain
from accounts.tenancy import TeamRequest, membership_required, require

PAGE = 50
"""Entries on a page."""
SEARCH_MAX = 100
"""Characters of a search text."""
KINDS = {
    **{"run": "Runs", "approval": "Approvals", "agent": "Agents", "task": "Tasks", "memory": "Memories"},
    **{"budget": "Budgets", "api_key": "API keys", "team": "Team", "member": "Members"},
    **{"invitation": "Invitations", "session": "Sign-ins", "person": "People", "operator": "Operators"},
}
PERIODS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}
NOUNS = {"api_key": "the API key", "person": "", "session": "", "team": "the team", "teamplan": "the plan of"}
PHRASES = {
    "member.joined": "joined the team",
    "member.role_changed": "changed the role of",
    "person.changed": "changed the profile",
    "person.claimed": "proved the address and took over the account",
    "person.factor_added": "added a second factor",
    "person.factor_removed": "removed a second factor",
    "person.identity_added": "connected an account",
    "person.identity_removed": "disconnected an account",
    "person.password_changed": "changed the password",
    "session.ended": "ended a session",
}
"""Texts of actions whose name, turned round, is no English."""
SHOWN = 80
"""Characters of an old or new value on the page; the export has more."""
MAX_SEQ = 2**63 - 1
"""Largest value of a bigint column."""


@dataclass(frozen=True, slots=True)
class Row:
    """Audit entry as the page shows it."""

    entry: AuditEntry
    person: User | None

    @property
    def by(self) -> str:
        """Means by which the person acted: a key, or "(operator)"."""
        return self.entry.actor_label.partition(" ")[2] if self.entry.actor_id else ""

    @property
    def subject(self) -> str:
        """Label of what was changed; empty if the actor changed themselves."""
        label = self.entry.subject_label
        return "" if self.person and label in (self.person.display_name, self.person.email) else label

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """Changes as (field, old value, new value)."""
        before, after = self.entry.data.get("before"), self.entry.data.get("after")
        if isinstance(before, dict) and isinstance(after, dict):
            return [
                (name.replace("_usd", " (USD)").replace("_", " "), _shown(before.get(name)), _shown(new))
                for name, new in after.items()
            ]
        if "before" in self.entry.data and "after" in self.entry.data:
            return [("", _shown(before), _shown(after))]
        return []

    @property
    def did(self) -> str:
        """Action as a phrase: `run.started` is "started the run"."""
        if self.entry.action in PHRASES:
            return PHRASES[self.entry.action]
        noun, _, verb = self.entry.action.partition(".")
        if noun == "operator":
            verb, _, noun = verb.partition("_")
        return f"{verb.replace('_', ' ')} {NOUNS.get(noun, 'the ' + noun.replace('_', ' '))}".strip()


def _shown(value: Any) -> str:
    """Return a value as one short line."""
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, dict) and "start" in value:
        value = value["start"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def audit_log(request: TeamRequest) -> HttpResponse:
    """Show the log, newest first. A POST verifies the chain and shows the verdict."""
    require(request, "team:admin")
    verdict = audit_chain.verify(request.team.pk) if request.method == "POST" else None
    audit_chain.seal(request.team.pk)
    text = request.GET.get("q", "").strip()[:SEARCH_MAX].replace("\0", "")
    kind, period = request.GET.get("kind", ""), request.GET.get("period", "")
    entries = AuditEntry.objects.for_team(request.team).sealed()
    shown, newer, older = _page(_filtered(entries, text, kind, period), request.GET)
    people = User.objects.in_bulk({entry.actor_id for entry in shown if entry.actor_id})
    context = {
        "rows": [Row(entry, people.get(entry.actor_id)) for entry in shown],
        **{"newer": newer, "older": older, "verdict": verdict},
        **{"text": text, "kind": kind, "period": period, "kinds": KINDS, "periods": PERIODS},
        "is_filtered": bool(text or kind in KINDS or period in PERIODS),
    }
    return render(request, "accounts/audit_log.html", context)


@require_safe
@membership_required
def audit_export(request: TeamRequest) -> HttpResponseBase:
    require(request, "team:admin")
    return audit_download(request.team)


def _filtered(entries: AuditEntryQuerySet, text: str, kind: str, period: str) -> AuditEntryQuerySet:
    if text:
        entries = entries.saying(text)
    if kind in KINDS:
        entries = entries.of_action(kind)
    if period in PERIODS:
        entries = entries.filter(at__gte=timezone.now() - timedelta(days=int(period)))
    return entries


def _page(entries: AuditEntryQuerySet, asked: Any) -> tuple[list[AuditEntry], int | None, int | None]:
    """Return one page. The seqs say from where the newer and the older page go on, or are None."""
    after, before = _seq(asked.get("after", "")), _seq(asked.get("before", ""))
    if after is not None:
        found = list(entries.filter(seq__gt=after).order_by("seq")[: PAGE + 1])
        has_newer, shown = len(found) > PAGE, found[PAGE - 1 :: -1] if len(found) > PAGE else found[::-1]
        return shown, shown[0].seq if has_newer else None, shown[-1].seq if shown else None
    if before is not None:
        entries = entries.filter(seq__lt=before)
    found = list(entries.order_by("-seq")[: PAGE + 1])
    shown = found[:PAGE]
    newer = shown[0].seq if shown and before is not None else None
    return shown, newer, shown[-1].seq if len(found) > PAGE else None


def _seq(text: str) -> int | None:
    """Parse a seq from the URL, or return None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(MAX_SEQ)) else None
