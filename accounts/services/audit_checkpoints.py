"""Checkpoints of the audit log: how far each chain went and with which hash, kept in the file store.

Whoever can only write to the database can empty a chain, cut off its end or write all of it anew; none of that fits the
checkpoint any more (docs/adr/0016).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import AuditEntry, AuditHead, Team

log = logging.getLogger(__name__)

FOLDER = "audit"
EVERY = timedelta(minutes=5)
"""Between two checkpoints of one team, if anything was sealed."""


class Unreadable(Exception):
    """The file store does not answer, or holds something that is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Entry `seq` of the team's chain had that hash."""

    seq: int
    hash: str
    at: str


def key_of(team_id: UUID) -> str:
    return f"{FOLDER}/{team_id}.json"


def read(team_id: UUID) -> Checkpoint | None:
    """The team's checkpoint, None if none was made yet. Raises Unreadable."""
    try:
        with default_storage.open(key_of(team_id)) as kept:
            said = json.loads(kept.read())
        return Checkpoint(seq=int(said["seq"]), hash=str(said["hash"]), at=str(said["at"]))
    except FileNotFoundError:
        return None
    except Exception as error:  # botocore, sockets, JSON: many kinds, one meaning
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error


def save_due(limit: int = 100) -> int:
    """Make the checkpoints of teams whose chain went on; how many. One that does not fit its chain stays as it is."""
    late = Q(checkpointed_at__isnull=True) | Q(checkpointed_at__lt=Now() - EVERY)
    due = AuditHead.objects.filter(late, seq__gt=F("checkpoint_seq"))
    saved = 0
    for head in due.order_by(F("checkpointed_at").asc(nulls_first=True))[:limit]:
        mine = AuditHead.objects.filter(pk=head.pk, checkpointed_at=head.checkpointed_at)
        if not mine.update(checkpointed_at=Now()):
            continue  # another worker is at it
        try:
            kept = read(head.pk)
            if kept is not None and not fits(head.pk, kept):
                log.error("The audit log of team %s does not fit its checkpoint: run manage.py audit verify.", head.pk)
                continue
            write(head)
        except Unreadable as error:
            log.warning("Checkpoints of the audit log wait for the file store: %s", error)
            break
        saved += 1
    return saved


def fits(team_id: UUID, kept: Checkpoint) -> bool:
    """Whether the chain in the database still has that entry with that hash."""
    return AuditEntry.objects.filter(team_id=team_id, seq=kept.seq, hash=kept.hash).exists()


def remove(team_id: UUID) -> None:
    """With the chain of a team that is gone. Raises Unreadable."""
    try:
        default_storage.delete(key_of(team_id))
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error


def set_aside(name: str) -> int:
    """Give every checkpoint another key, which nothing is compared with: a restored log is older. Raises Unreadable."""
    store: Any = default_storage
    moved = 0
    try:
        for kept in store.bucket.objects.filter(Prefix=f"{FOLDER}/"):
            if re.fullmatch(rf"{FOLDER}/[0-9a-f-]{{36}}\.json", kept.key):
                body = kept.get()["Body"].read()
                store.bucket.Object(kept.key.replace(".json", f".{name}.json")).put(Body=body)
                kept.delete()
                moved += 1
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error
    return moved


def known_teams() -> Iterable[UUID]:
    """Every team that has, or should have, a chain."""
    heads = AuditHead.objects.values_list("pk", flat=True)
    return sorted({*heads, *Team.objects.filter(removed_at=None).values_list("pk", flat=True)})


def write(head: AuditHead) -> None:
    """Make the end of the chain its checkpoint. Raises Unreadable."""
    kept = Checkpoint(seq=head.seq, hash=head.hash, at=timezone.now().isoformat(timespec="seconds"))
    store: Any = default_storage  # one object for each team, written over: the base class knows no such thing
    body = json.dumps({"team": str(head.pk), **asdict(kept)}).encode()
    try:
        store.bucket.Object(key_of(head.pk)).put(Body=body, ContentType="application/json")
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error
    AuditHead.objects.filter(pk=head.pk).update(checkpoint_seq=head.seq, checkpointed_at=Now())
    log.info("Audit checkpoint: team %s, entry %d, hash %s", head.pk, head.seq, head.hash)
