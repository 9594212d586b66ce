"""Events of a run: append inside a transaction, announce after it, replay at any time.

Rows are the truth. Valkey carries hints ("run X reached seq N") and text deltas, which may be lost.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F, Model
from django.db.models.functions import Now

from accounts.prepared_sql import insert
from tasks.events import Event
from tasks.models import Run, RunEvent

log = logging.getLogger(__name__)

Hint = tuple[str, Mapping[str, Any]]
"""Channel and message."""

CONTROL_CHANNEL = f"{settings.REDIS_PREFIX}control"


def run_channel(run_id: UUID | str) -> str:
    """Return the channel for hints and deltas of one run."""
    return f"{settings.REDIS_PREFIX}run.{run_id}"


def team_channel(team_id: UUID | str) -> str:
    """Return the channel for status changes of a team's runs."""
    return f"{settings.REDIS_PREFIX}team.{team_id}"


@cache
def valkey() -> redis.Redis:
    """Return this process's client for hints."""
    return redis.Redis.from_url(f"{settings.REDIS_URL}/0", socket_timeout=1, socket_connect_timeout=1)


PUBLISH_ALL = "for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end"
"""Lua script that publishes many hints in one command: each command costs the client more than the server."""


def flattened(hints: Iterable[Hint]) -> list[str]:
    """Return the arguments of PUBLISH_ALL."""
    return [part for channel, hint in hints for part in (channel, json.dumps(hint))]


def publish(hints: Iterable[Hint]) -> None:
    """Send hints now. Never raises: without Valkey viewers see the events up to two seconds later."""
    try:
        valkey().eval(PUBLISH_ALL, 0, *flattened(hints))
    except redis.RedisError as error:
        log.warning("hints were not sent: %s", error)


@transaction.atomic
def append(run: Run, *events: Event) -> None:
    """Append events to the run inside the caller's transaction, and announce them after the commit."""
    Run.objects.filter(pk=run.pk).update(last_seq=F("last_seq") + len(events))
    written = Run.objects.annotate(at=Now()).values_list("last_seq", "status", "at")
    last_seq, status, at = written.get(pk=run.pk)
    insert(*_rows(run, last_seq - len(events) + 1, events, at))
    run.last_seq = last_seq
    announce(run, status=status)


def begin(run: Run, *events: Event, beside: Iterable[Model] = ()) -> None:
    """Insert a run with its first events and other new rows in one statement.

    Nobody else can append before the commit. Announces nothing.
    """
    run.last_seq = len(events)
    insert(run, *_rows(run, 1, events, run.created_at), *beside)


def _rows(run: Run, first: int, events: Sequence[Event], at: datetime) -> list[RunEvent]:
    return [
        RunEvent(run_id=run.pk, seq=first + i, type=event.type, at=at, data=event.data())
        for i, event in enumerate(events)
    ]


def announce(run: Run, *, status: str) -> None:
    """Announce the run's newest event and status to its viewers and its team's after the commit."""
    transaction.on_commit(partial(publish, hints_of(run, status=status)))


def hints_of(run: Run, *, status: str) -> list[Hint]:
    """Return the hints for viewers of the run and of its team."""
    return [
        (run_channel(run.pk), {"seq": run.last_seq}),
        (team_channel(run.team_id), {"run": str(run.pk), "status": status}),
    ]


def stop_worker(run_id: UUID) -> None:
    """Tell the worker that drives the run to stop, after the commit.

    If the message is lost, its lease check stops it.
    """
    transaction.on_commit(partial(publish, [(CONTROL_CHANNEL, {"stop": str(run_id)})]))
