"""The audit log as a chain: each sealed entry carries the hash of the one before it (docs/adr/0016).

Writing an entry takes no lock. Sealing comes later, one process at a time for each team: whatever has committed by then
gets the next numbers, so an entry that commits late breaks nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.errors import Conflict
from accounts.models import AuditEntry, AuditHead, Team

GENESIS = "0" * 64
BATCH = 500
_SEAL = """
    UPDATE accounts_auditentry AS entry SET seq = new.seq, prev_hash = new.prev_hash, hash = new.hash
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS new (id, seq, prev_hash, hash)
    WHERE entry.id = new.id
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading a whole chain found."""

    entries: int
    """How many are in order, from the first."""
    head: str
    broken_at: int | None = None
    problem: str = ""

    @property
    def is_unbroken(self) -> bool:
        return self.broken_at is None

    def __str__(self) -> str:
        if self.is_unbroken:
            return f"{self.entries} entries, unbroken, head {self.head}"
        return f"entry {self.broken_at} {self.problem}; {self.entries} entries before it are in order"


def content(entry: AuditEntry, seq: int) -> dict[str, Any]:
    """What the hash of an entry is made of, beside the hash before it."""
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
    """SHA-256 of the hash before, a line feed, and the entry as JSON with sorted keys and no spaces, in UTF-8."""
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{prev_hash}\n{canonical}".encode()).hexdigest()


def line(entry: AuditEntry) -> dict[str, Any]:
    """One line of the export: everything that is needed to verify it elsewhere."""
    return {**content(entry, entry.seq or 0), "prev_hash": entry.prev_hash, "hash": entry.hash}


def seal(team_id: UUID) -> int:
    """Give every committed entry of the team its place; how many there were."""
    sealed = 0
    while count := _seal_batch(team_id):
        sealed += count
        if count < BATCH:
            break
    return sealed


def seal_pending(limit: int = 20) -> int:
    """Seal what waits, of some teams; the clock calls it every few seconds. Who is sealing already is left alone."""
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
    """Read the whole chain of a team and compare it with where it should end."""
    seal(team_id)
    head = AuditHead.objects.filter(team_id=team_id).first()
    entries = AuditEntry.objects.filter(team_id=team_id).sealed().order_by("seq").iterator(chunk_size=2000)
    found = verify_lines(line(entry) for entry in entries)
    end = (head.seq, head.hash or GENESIS) if head else (0, GENESIS)
    if not found.is_unbroken or (found.entries, found.head) == end:
        return found
    return Verdict(found.entries, found.head, found.entries + 1, f"is missing: the chain goes on to {end[0]}")


def verify_lines(lines: Iterable[Mapping[str, Any]]) -> Verdict:
    """The same for an export, which has to be kept where nobody can change it to prove anything."""
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
    """The chain as lines of JSON, oldest first."""
    seal(team_id)
    entries = AuditEntry.objects.filter(team_id=team_id).sealed().order_by("seq").iterator(chunk_size=2000)
    for entry in entries:
        yield json.dumps(line(entry), ensure_ascii=False) + "\n"


@transaction.atomic
def remove_chain(team_id: UUID) -> int:
    """Delete the log of a team that is gone, when it need not be kept any longer. The only way there is."""
    if Team.objects.filter(pk=team_id, removed_at=None).exists():
        raise Conflict("The team still exists; its log stays.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('deskhand.audit_removal', %s, true)", [str(team_id)])
    AuditHead.objects.filter(team_id=team_id).delete()
    return AuditEntry.objects.filter(team_id=team_id).delete()[0]
