"""Numbers of a run's work: calls, tools, people, waiting."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from tasks.fragments.rows import QUIET_TOOLS
from tasks.models import HumanRequest, RequestStatus, Run, Step, StepKind, StepStatus


@dataclass(frozen=True, slots=True)
class WorkDone:
    tools: dict[str, int]
    """Calls by tool, the most used first."""
    failed_calls: int
    answers: dict[str, int]
    """Answered requests by kind."""

    @property
    def tool_calls(self) -> int:
        return sum(self.tools.values())


def work_done(run: Run) -> WorkDone:
    """Count from the journal and the requests of the run, in two queries."""
    steps = Step.objects.filter(run=run, kind=StepKind.TOOL).exclude(tool__in=QUIET_TOOLS)
    tools: Counter[str] = Counter()
    failed = 0
    for tool, status, calls in steps.order_by().values_list("tool", "status").annotate(calls=Count("pk")):
        tools[tool] += calls
        failed += calls * (status == StepStatus.FAILED)
    asked = HumanRequest.objects.filter(run=run, status=RequestStatus.ANSWERED)
    answers = asked.order_by().values_list("kind").annotate(answers=Count("pk"))
    return WorkDone(dict(tools.most_common()), failed, dict(answers))
