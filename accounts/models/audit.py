"""Audit log: append-only entries, sealed into one chain for each team. Entries outlive what they name."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Self
from uuid import UUID

from django.db import models
from django.utils import timezone

from accounts.models.base import TeamScopedModel, TeamScopedQuerySet
from accounts.models.people import Team, User


class AuditEntryQuerySet(TeamScopedQuerySet["AuditEntry"]):
    def sealed(self) -> Self:
        return self.filter(seq__isnull=False)

    def unsealed(self) -> Self:
        return self.filter(seq__isnull=True)

    def by_actor(self, text: str) -> Self:
        """Filter by a person's id, or by a part of their label."""
        try:
            return self.filter(actor_id=UUID(text))
        except ValueError:
            return self.filter(actor_label__icontains=text)

    def of_action(self, text: str) -> Self:
        """Filter by an action such as `run.started`, or by a kind such as `run`."""
        return self.filter(action=text) if "." in text else self.filter(action__startswith=f"{text}.")

    def saying(self, text: str) -> Self:
        """Filter by a search text. It is a part of a person, a thing, an action, an address or an id."""
        places = ("actor_label", "subject_label", "action", "address", "subject_id", "request_id")
        return self.filter(reduce(or_, (models.Q(**{f"{place}__icontains": text}) for place in places)))


class AuditEntry(TeamScopedModel):
    """Audit entry.

    `accounts/audit.py` writes it; `accounts/services/audit_chain.py` adds seq, prev_hash and hash. A trigger in the
    database refuses every other change. The database has no foreign keys on it, so that neither a removed person nor a
    deleted team takes an entry along.
    """

    team = models.ForeignKey(Team, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        User, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    actor_label = models.CharField(max_length=160)
    action = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    subject_label = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=45, blank=True, default="")
    """IP address of the caller; empty for the system itself."""
    seq = models.BigIntegerField(null=True, editable=False)
    """Place in the team's chain, from 1. Null until the entry is sealed."""
    prev_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        constraints = [
            models.UniqueConstraint(
                fields=["team", "seq"], condition=models.Q(seq__isnull=False), name="audit_seq_once_per_team"
            )
        ]
        indexes = [models.Index(fields=["team", "id"], condition=models.Q(seq__isnull=True), name="audit_unsealed")]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.subject_label}"


class AuditHead(models.Model):
    """Head of a team's audit chain. Its row lock lets one process at a time seal.

    A trigger in the database lets `seq` only grow. The checkpoint fields say when the next one is due; what a
    checkpoint proves is in the file store alone (`accounts/services/audit_checkpoints.py`).
    """

    team = models.OneToOneField(
        Team, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True, default="")
    checkpoint_seq = models.BigIntegerField(default=0)
    checkpointed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.seq} {self.hash[:12]}"
