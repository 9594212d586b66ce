"""Runs to compare a run with. These are its origin, its copies, and others of the same task or agent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from tasks.models import Run, RunKind
from tasks.models.run import RunQuerySet

MOST = 20
"""Runs of each kind."""


@dataclass(frozen=True, slots=True)
class Relative:
    run: Run
    why: str


def beside(run: Run) -> RunQuerySet:
    """Return the runs that may be shown to whoever sees this one. None is of another limited agent."""
    return Run.objects.for_team(run.team).filter(Q(agent=run.agent_id) | Q(agent__is_limited=False))


def relatives(run: Run) -> list[Relative]:
    """Return at most MOST of each kind, nearest first, each once."""
    found: dict[object, Relative] = {run.pk: Relative(run, "")}
    for other, why in _related(run):
        found.setdefault(other.pk, Relative(other, why))
    return list(found.values())[1:]


def _related(run: Run) -> Iterator[tuple[Run, str]]:
    mine = beside(run).with_people_words()
    for parent in mine.filter(pk=run.parent_id) if run.parent_id else ():
        yield parent, "The run that started it"
    for child in mine.filter(parent=run).order_by("-pk")[:MOST]:
        yield child, "Started by it"
    for origin in mine.filter(pk__in=[pk for pk in (run.forked_from_id, run.retry_of_id) if pk]):
        yield origin, "Where it came from"
    for made in mine.filter(Q(forked_from=run) | Q(retry_of=run)).order_by("-pk")[:MOST]:
        yield made, "A replay of it" if made.kind == RunKind.REPLAY else "Made from it"
    siblings = mine.filter(forked_from=run.forked_from_id) if run.forked_from_id else mine.none()
    for sibling in siblings.order_by("-pk")[:MOST]:
        yield sibling, "Made from the same run"
    same = mine.filter(task=run.task_id) if run.task_id else mine.filter(agent=run.agent_id)
    for other in same.order_by("-pk")[:MOST]:
        yield other, "The same task" if run.task_id else "The same agent"
