"""Hash chain of the audit log (docs/adr/0016).

Each sealed entry carries the hash of the one before it. Writing an entry takes no lock. Sealing comes later, one
process at a time for each team, and gives the next numbers to whatever has committed by then, so that an entry that
commits late breaks nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts import audit
from accounts.errors import Conflict, Unavailable
from accounts.models import AuditEntry, AuditHead, Team
from accounts.services import audit_checkpoints

GENESIS = "0" * 64
BATCH = 500
"""Entries that one transaction seals."""
_SEAL = """
    UPDATE accounts_auditentry AS entry SET seq = new.seq, prev_hash = new.prev_hash, hash = new.hash
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS new (id, seq, prev_hash, hash)
    WHERE entry.id = new.id
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of verifying a whole chain."""

    entries: int
    """Number of intact entries, from the first."""
    head: str
    broken_at: int | None = None
    problem: str = ""
    checkpoint: int | None = None
    """Number of entries that the checkpoint in the file store confirms; None without one."""
    note: str = ""
    """Note on what could not be checked, or ""."""

    @property
    def is_unbroken(self) -> bool:
        return self.broken_at is None

    def __str__(self) -> str:
        if self.is_unbroken:
            confirmed = "" if self.checkpoint is None else f", {self.checkpoint} confirmed by the checkpoint"
            note = f" ({self.note})" if self.note else ""
            return f"{self.entries} entries, unbroken, head {self.head}{confirmed}{note}"
        return f"entry {self.broken_at} {self.problem}; {self.entries} entries before it are in order"


def content(entry: AuditEntry, seq: int) -> dict[str, Any]:
    """Return the part of an entry that is hashed, beside the previous hash."""
    return {
        "seq": seq,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "team": str(entry.team_id),
        "actor": str(entry.actor_id) if entry.actor_id else None,
        "actor_label": entry.actor_label,
        "action": entry.action,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "subject_label": entry.subject_label,
        "data": entry.data,
        "request_id": entry.request_id,
        "address": entry.address,
    }


def hash_of(prev_hash: str, said: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the previous hash, a line feed, and the entry as JSON.

    The JSON has sorted keys, no spaces and is UTF-8.
    """
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{prev_hash}\n{canonical}".encode()).hexdigest()


def line(entry: AuditEntry) -> dict[str, Any]:
    """Return one line of the export, with everything that is needed to verify it elsewhere."""
    return {**content(entry, entry.seq or 0), "prev_hash": entry.prev_hash, "hash": entry.hash}


def seal(team_id: UUID) -> int:
    """Seal every committed entry of the team. Return how many."""
    sealed = 0
    while count := _seal_batch(team_id):
        sealed += count
        if count < BATCH:
            break
    return sealed


def seal_pending(limit: int = 20) -> int:
    """Seal waiting entries of up to `limit` teams, at most BATCH each.

    Called every few seconds; skips teams that another process is sealing.
    """
    teams = AuditEntry.objects.unsealed().order_by("team_id").values_list("team_id", flat=True).distinct()
    return sum(_seal_batch(team_id, wait=False) for team_id in teams[:limit])


@transaction.atomic
def _seal_batch(team_id: UUID, *, wait: bool = True) -> int:
    AuditHead.objects.bulk_create([AuditHead(team_id=team_id)], ignore_conflicts=True)
    head = AuditHead.objects.select_for_update(skip_locked=not wait).filter(team_id=team_id).first()
    if head is None:
        return 0
    entries = list(AuditEntry.objects.filter(team_id=team_id).unsealed().order_by("id")[:BATCH])
    if not entries:
        return 0
    last, places = head.hash or GENESIS, []
    for seq, entry in enumerate(entries, start=head.seq + 1):
        before, last = last, hash_of(last, content(entry, seq))
        places.append((entry.pk, seq, before, last))
    with connection.cursor() as cursor:
        cursor.execute(_SEAL, [list(column) for column in zip(*places, strict=True)])
    AuditHead.objects.filter(team_id=team_id).update(seq=head.seq + len(entries), hash=last)
    return len(entries)


def verify(team_id: UUID) -> Verdict:
    """Verify the whole chain of a team against its head and its checkpoint."""
    seal(team_id)
    head = AuditHead.objects.filter(team_id=team_id).first()
    entries = AuditEntry.objects.filter(team_id=team_id).sealed().order_by("seq").iterator(chunk_size=2000)
    found = verify_lines(line(entry) for entry in entries)
    end = (head.seq, head.hash or GENESIS) if head else (0, GENESIS)
    if found.is_unbroken and (found.entries, found.head) != end:
        return _cut_off(found, f"the chain goes on to {end[0]}")
    found = _with_checkpoint(found, team_id) if found.is_unbroken else found
    if found.checkpoint is None and not found.note and head and head.checkpoint_seq:
        found = replace(found, note="its checkpoint is gone from the file store; a new one follows with new entries")
    if found.is_unbroken and not found.entries and Team.objects.filter(pk=team_id, removed_at=None).exists():
        return _cut_off(found, "making the team was recorded")
    return found


def _with_checkpoint(found: Verdict, team_id: UUID) -> Verdict:
    try:
        kept = audit_checkpoints.read(team_id)
    except audit_checkpoints.Unreadable:
        return replace(found, note="the checkpoint in the file store cannot be read now")
    if kept is None:
        return found
    if kept.seq > found.entries:
        return _cut_off(found, f"the checkpoint of {kept.at} has {kept.seq} entries")
    if not audit_checkpoints.fits(team_id, kept):
        problem = f"is another one than in the checkpoint of {kept.at}, or follows one"
        return replace(found, entries=kept.seq - 1, broken_at=kept.seq, problem=problem)
    return replace(found, checkpoint=kept.seq)


def _cut_off(found: Verdict, why: str) -> Verdict:
    return replace(found, broken_at=found.entries + 1, problem=f"is missing: {why}")


def verify_lines(lines: Iterable[Mapping[str, Any]]) -> Verdict:
    """Verify an export. To prove anything it must be kept where nobody can change it."""
    count, last = 0, GENESIS
    for said in lines:
        problem = _problem(said, seq=count + 1, last=last)
        if problem:
            return Verdict(count, last, count + 1, problem)
        count, last = count + 1, said["hash"]
    return Verdict(count, last)


def _problem(said: Mapping[str, Any], *, seq: int, last: str) -> str:
    if said["seq"] != seq:
        return "is missing" if said["seq"] > seq else "is there twice"
    own = {name: value for name, value in said.items() if name not in ("prev_hash", "hash")}
    if said["hash"] != hash_of(said["prev_hash"], own):
        return "was altered"
    return "" if said["prev_hash"] == last else "is not the one that followed: it was replaced, or others were moved"


def export(team_id: UUID) -> Iterator[str]:
    """Yield the chain as lines of JSON, oldest first."""
    seal(team_id)
    entries = AuditEntry.objects.filter(team_id=team_id).sealed().order_by("seq").iterator(chunk_size=2000)
    for entry in entries:
        yield json.dumps(line(entry), ensure_ascii=False) + "\n"


@transaction.atomic
def accept_checkpoint(team: Team) -> bool:
    """Replace the checkpoint by the chain's present end, after a restore from a backup.

    Return False if it fitted already. An entry then records the old and the new end. Raises Unavailable.
    """
    try:
        kept = audit_checkpoints.read(team.pk)
        if kept is None or audit_checkpoints.fits(team.pk, kept):
            return False
        seal(team.pk)
        head = AuditHead.objects.get(pk=team.pk)
        values = audit.diff({"seq": kept.seq, "hash": kept.hash}, {"seq": head.seq, "hash": head.hash})
        audit.record(team=team, actor=None, action="audit.checkpoint_accepted", target=team, **values)
        seal(team.pk)
        audit_checkpoints.write(AuditHead.objects.get(pk=team.pk))
    except audit_checkpoints.Unreadable as error:
        raise Unavailable("The file store, which has the checkpoints of the log, does not answer.") from error
    return True


@transaction.atomic
def remove_chain(team_id: UUID) -> int:
    """Delete the log of a deleted team.

    Return the number of entries. There is no other way to delete entries. Raises Conflict while the team exists,
    Unavailable without the file store.
    """
    if Team.objects.filter(pk=team_id, removed_at=None).exists():
        raise Conflict("The team still exists; its log stays.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('deskhand.audit_removal', %s, true)", [str(team_id)])
    try:
        audit_checkpoints.remove(team_id)
    except audit_checkpoints.Unreadable as error:
        raise Unavailable("The file store, which has the checkpoint of this log, does not answer.") from error
    AuditHead.objects.filter(team_id=team_id).delete()
    return AuditEntry.objects.filter(team_id=team_id).delete()[0]
