"""Estimates of a task's time and cost from its last runs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from tasks.models import RunStatus, Task

LOOK_BACK = 20
"""Runs of an estimate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Medians of the last finished runs."""

    runs: int
    active_s: float
    cost_usd: Decimal


def estimate(task: Task) -> Estimate | None:
    """Return the estimate, or None before the first run that succeeded."""
    done = task.runs.filter(status=RunStatus.SUCCEEDED).order_by("-id").values_list("active_s", "cost_usd")[:LOOK_BACK]
    rows = list(done)
    if not rows:
        return None
    return Estimate(len(rows), median(s for s, _ in rows), median(usd for _, usd in rows))
