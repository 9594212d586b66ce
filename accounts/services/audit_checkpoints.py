"""Checkpoints of the audit log in the file store.

Each has the length and last hash of a chain. Whoever can only write to the database can empty a chain, cut off its end
or rewrite all of it; none of that fits the checkpoint any more (docs/adr/0016).
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
"""Least time between two checkpoints of one team."""


class Unreadable(Exception):
    """File store that does not answer, or a file that is no checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Hash of entry `seq` of the team's chain."""

    seq: int
    hash: str
    at: str


def key_of(team_id: UUID) -> str:
    return f"{FOLDER}/{team_id}.json"


def read(team_id: UUID) -> Checkpoint | None:
    """Return the team's checkpoint, or None if none was written yet. Raises Unreadable."""
    try:
        with default_storage.open(key_of(team_id)) as kept:
            said = json.loads(kept.read())
        return Checkpoint(seq=int(said["seq"]), hash=str(said["hash"]), at=str(said["at"]))
    except FileNotFoundError:
        return None
    except Exception as error:  # botocore, sockets, JSON: many kinds, one meaning
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error


def save_due(limit: int = 100) -> int:
    """Write the checkpoints of teams whose chain has grown.

    Return how many. A checkpoint that does not fit its chain stays as it is.
    """
    late = Q(checkpointed_at__isnull=True) | Q(checkpointed_at__lt=Now() - EVERY)
    due = AuditHead.objects.filter(late, seq__gt=F("checkpoint_seq"))
    saved = 0
    for head in due.order_by(F("checkpointed_at").asc(nulls_first=True))[:limit]:
        mine = AuditHead.objects.filter(pk=head.pk, checkpointed_at=head.checkpointed_at)
        if not mine.update(checkpointed_at=Now()):
            continue  # another worker has claimed it
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
    """Return True if the chain in the database still has that entry with that hash."""
    return AuditEntry.objects.filter(team_id=team_id, seq=kept.seq, hash=kept.hash).exists()


def remove(team_id: UUID) -> None:
    """Delete the checkpoint of a deleted team. Raises Unreadable."""
    try:
        default_storage.delete(key_of(team_id))
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error


def set_aside(name: str) -> int:
    """Rename every checkpoint, so that nothing is compared with it: a restored log is older.

    Return how many. Raises Unreadable.
    """
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
    """Return the ids of all teams that have, or should have, a chain."""
    heads = AuditHead.objects.values_list("pk", flat=True)
    return sorted({*heads, *Team.objects.filter(removed_at=None).values_list("pk", flat=True)})


def write(head: AuditHead) -> None:
    """Make the end of the chain its checkpoint. Raises Unreadable."""
    kept = Checkpoint(seq=head.seq, hash=head.hash, at=timezone.now().isoformat(timespec="seconds"))
    store: Any = default_storage  # the base class cannot overwrite an object
    body = json.dumps({"team": str(head.pk), **asdict(kept)}).encode()
    try:
        store.bucket.Object(key_of(head.pk)).put(Body=body, ContentType="application/json")
    except Exception as error:
        raise Unreadable(f"{type(error).__name__}: {error}"[:300]) from error
    AuditHead.objects.filter(pk=head.pk).update(checkpoint_seq=head.seq, checkpointed_at=Now())
    log.info("Audit checkpoint: team %s, entry %d, hash %s", head.pk, head.seq, head.hash)
