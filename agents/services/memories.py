"""Memories of agents: short facts, each stored once, at most MAX_MEMORIES per agent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit
from accounts.errors import FieldError, InvalidInput
from accounts.models import User
from agents.models import Agent, Memory

MAX_MEMORIES = 500
"""Facts per agent. Adding one more deletes the least trusted, oldest one."""
MAX_LENGTH = 2_000
MAX_RECALLED = 50
BY_TRUST = (F("accepted_at").desc(nulls_last=True), F("created_at").desc())
"""Order of recall: facts that a person confirmed come first."""


class AgentMemory:
    """The memory of one agent, as its tools use it (`tools.spec.Memory`)."""

    def __init__(self, *, agent_id: UUID, team_id: UUID, run_id: UUID | None = None) -> None:
        self._agent_id, self._team_id, self._run_id = agent_id, team_id, run_id

    def remember(self, *, text: str) -> str:
        """Store one fact and return its id. A repeated text is stored once and counts as new."""
        return str(_keep(agent_id=self._agent_id, team_id=self._team_id, text=text, run_id=self._run_id).pk)

    def recall(self, *, query: str, limit: int) -> Sequence[str]:
        """Return up to `limit` facts: those that share a word with the query, best first; then the newest ones."""
        limit = max(1, min(limit, MAX_RECALLED))
        mine = Memory.objects.filter(agent_id=self._agent_id, team_id=self._team_id)
        words = " or ".join(re.findall(r"\w+", query)[:30])
        asked = SearchQuery(words, config="english", search_type="websearch")
        matching = (
            mine.annotate(vector=SearchVector("text", config="english"), rank=SearchRank(F("vector"), asked))
            .filter(vector=asked)
            .order_by("-rank", *BY_TRUST)
        )
        found = [memory.text for memory in matching[:limit]]
        if len(found) < limit:
            newest = mine.order_by("-created_at").values_list("text", flat=True)[: limit + len(found)]
            found += [text for text in newest if text not in found]
        return found[:limit]


@transaction.atomic
def add_memory(*, agent: Agent, actor: User, text: str) -> Memory:
    """Store a fact that a person entered."""
    memory = _accepted(_keep(agent_id=agent.pk, team_id=agent.team_id, text=text, run_id=None))
    audit.record(team=agent.team, actor=actor, action="memory.added", target=memory)
    return memory


@transaction.atomic
def change_memory(*, memory: Memory, actor: User, text: str) -> Memory:
    """Correct a fact. If the agent already has the corrected fact, the two are merged."""
    text = _checked(text)
    digest, before = _digest(text), str(memory)
    twin = Memory.objects.filter(agent=memory.agent, text_sha256=digest).exclude(pk=memory.pk).first()
    if twin is not None:
        memory.delete()
        memory = twin
    memory.text, memory.text_sha256 = text, digest
    _accepted(memory)
    values = {"before": before, "after": str(memory)}  # only the start: a deleted text must not survive here
    audit.record(team=memory.team, actor=actor, action="memory.changed", target=memory, **values)
    return memory


@transaction.atomic
def accept_memory(*, memory: Memory, actor: User) -> Memory:
    """Mark a learned fact as confirmed by a person."""
    if memory.accepted_at is None:
        _accepted(memory)
        audit.record(team=memory.team, actor=actor, action="memory.accepted", target=memory)
    return memory


def _accepted(memory: Memory) -> Memory:
    memory.accepted_at = memory.accepted_at or timezone.now()
    memory.save()
    return memory


@transaction.atomic
def forget_memory(*, memory: Memory, actor: User) -> None:
    audit.record(team=memory.team, actor=actor, action="memory.forgotten", target=memory)
    memory.delete()


def _keep(*, agent_id: UUID, team_id: UUID, text: str, run_id: UUID | None) -> Memory:
    text = _checked(text)
    with transaction.atomic():
        memory, is_new = Memory.objects.get_or_create(
            agent_id=agent_id,
            text_sha256=_digest(text),
            defaults={"team_id": team_id, "text": text, "run_id": run_id},
        )
        if is_new:
            others = Memory.objects.filter(agent_id=agent_id).exclude(pk=memory.pk)
            kept = others.order_by(*BY_TRUST, "-pk").values("pk")[: MAX_MEMORIES - 1]
            others.exclude(pk__in=kept).delete()
        else:
            memory.created_at = timezone.now()
            memory.save(update_fields=["created_at", "updated_at"])
    return memory


def _checked(text: str) -> str:
    text = " ".join(text.replace("\x00", "").split())
    if not 1 <= len(text) <= MAX_LENGTH:
        message = f"A memory has 1 to {MAX_LENGTH:,} characters."
        raise InvalidInput(message, fields=[FieldError("text", "invalid", message)])
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.casefold().encode()).hexdigest()
