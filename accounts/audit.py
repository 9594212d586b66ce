"""Writing the audit log. Called inside the transaction of the change that it records."""

from __future__ import annotations

from typing import Any

from django.db import models

from accounts.models import AuditEntry, Team, User
from accounts.models.kept import insert
from accounts.tracing import current_key_label, current_request_id


def record(*, team: Team, actor: User | None, action: str, target: models.Model, **data: Any) -> None:
    """Append one entry. An actor of None is the system itself; an API key is named beside the person who made it."""
    key = current_key_label.get()
    label = actor.email if actor else "system"
    entry = AuditEntry(
        team=team,
        actor=actor,
        actor_label=f"{label} by key {key}"[:160] if key else label[:160],
        action=action,
        subject_type=target._meta.model_name or "",
        subject_id=str(target.pk),
        subject_label=str(target)[:200],
        data=data,
        request_id=current_request_id.get(),
    )
    insert(entry)
