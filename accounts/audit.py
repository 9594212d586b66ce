"""Functions that append to the audit log.

Call them inside the transaction of the change that they record: they take no lock and run one statement.
`accounts/services/audit_chain.py` seals the entries later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models.functions import Now

from accounts.models import AuditEntry, Team, User
from accounts.prepared_sql import insert
from accounts.tracing import current_address, current_key_label, current_request_id, is_operator

MAX_VALUE = 300
"""Characters of one value in an entry. Of a longer value the entry keeps its start, length and hash."""
SECRET = frozenset({"password", "secret", "token", "data"})
"""Names of fields whose values are never logged."""


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return `before` and `after` of an entry. They hold the old and new values of the fields that differ."""
    shown = [name for name in after if name not in SECRET]
    differing = [name for name in shown if name not in before or before[name] != after[name]]
    return {
        "before": {name: _value(before.get(name)) for name in differing},
        "after": {name: _value(after[name]) for name in differing},
    }


def record(*, team: Team, actor: User | None, action: str, target: models.Model, **data: Any) -> None:
    """Append one entry.

    An actor of None is the system itself. The label of an API key stands beside its maker's, and an operator is marked
    as one.
    """
    insert(entry(team=team, actor=actor, action=action, target=target, data=data))


def record_person(*, person: User, actor: User | None, action: str, **data: Any) -> None:
    """Append a change of a person: one entry in each of their teams."""
    teams: Iterable[Team] = Team.objects.filter(memberships__user=person)
    AuditEntry.objects.bulk_create(
        [entry(team=team, actor=actor, action=action, target=person, data=data) for team in teams]
    )


def entry(*, team: Team, actor: User | None, action: str, target: models.Model, data: dict[str, Any]) -> AuditEntry:
    """Return the unsaved entry, dated by the database's clock: clocks of machines may be hours apart."""
    return AuditEntry(
        team=team,
        at=Now(),
        actor=actor,
        actor_label=_label(actor),
        action=action,
        subject_type=target._meta.model_name or "",
        subject_id=str(target.pk),
        subject_label=str(target)[:200],
        data=data,
        request_id=current_request_id.get(),
        address=current_address.get(),
    )


def _value(value: Any) -> Any:
    """Return the value as JSON of at most MAX_VALUE characters."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, models.Model):
        return str(value.pk)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | Decimal | UUID):
        said = text = str(value)
    else:
        said = json.loads(text := json.dumps(value, sort_keys=True, default=str, ensure_ascii=False))
    if len(text) <= MAX_VALUE:
        return said
    return {"start": text[:MAX_VALUE], "length": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _label(actor: User | None) -> str:
    label = actor.email if actor else "system"
    if is_operator.get():
        label = f"{label} (operator)"
    key = current_key_label.get()
    return f"{label} by key {key}"[:160] if key else label[:160]
