"""Effects of runs outside of Deskhand, which doing the same work again would repeat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from django.db.models import Q

from accounts.errors import Conflict
from tasks.models import Run, Step, StepKind, StepStatus
from tools import catalog
from tools.catalog import Catalog
from tools.spec import Effect as Kind
from tools.spec import recorded_spec

NAMED = 20
"""Number of effects that a response lists; one more line gives the total."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Call that changed something outside. `is_certain` is False if nobody knows."""

    step: int
    tool: str
    title: str
    headline: str
    at: datetime
    is_certain: bool


class WouldRepeatEffects(Conflict):
    """Refusal of a new run that would repeat effects of this one."""

    code = "would_repeat_effects"
    title = "It would be done again"
    effects: list[Effect]

    @classmethod
    def of(cls, effects: Sequence[Effect], *, may_continue: bool = False, by: str = "A new run") -> Self:
        named = "; ".join(effect.headline for effect in effects[:3])
        more = f"; and {len(effects) - 3} more" if len(effects) > 3 else ""
        error = cls(
            f"This run has already done something outside: {named}{more}. {by} may do it again. "
            + ("Continue this run instead, or " if may_continue else "To start one all the same, ")
            + "say that it may be repeated.",
            extra={"effects": [_shown(effect) for effect in effects[:NAMED]]},
        )
        error.effects = list(effects)
        return error


def effects_of(runs: Collection[Run]) -> dict[UUID, list[Effect]]:
    """Return {run id: effects, oldest first}, including those that a fork copied from its origin."""
    may_have = Q(status__in=(StepStatus.INTENT, StepStatus.UNKNOWN), effect_at__isnull=False)
    steps = Step.objects.filter(Q(status=StepStatus.DONE) | may_have, run__in=[run.pk for run in runs])
    effectful = Q(spec__effect=Kind.EFFECTFUL.value) | (Q(spec__isnull=True) & ~Q(tool__in=_harmless_tools()))
    steps = steps.filter(effectful, kind=StepKind.TOOL)
    found: dict[UUID, list[Effect]] = defaultdict(list)
    for step in steps.order_by("run_id", "index"):
        found[step.run_id].append(_effect(step))
    return {run.pk: found[run.pk] for run in runs}


def _harmless_tools() -> list[str]:
    """Return the builtin tools whose calls may be repeated, for steps of older versions, which keep no spec."""
    return [spec.name for spec in catalog.builtins() if spec.effect != Kind.EFFECTFUL]


def _effect(step: Step) -> Effect:
    spec = recorded_spec(step.spec, Catalog().get(step.tool), name=step.tool, arguments=step.request)
    at = step.finished_at or step.created_at
    return Effect(step.index, step.tool, spec.title, spec.headline, at, is_certain=step.status == StepStatus.DONE)


def _shown(effect: Effect) -> dict[str, object]:
    return asdict(effect) | {"at": effect.at.isoformat().replace("+00:00", "Z")}
