"""What happens to work when the agent that does it is deleted."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from agents.models import Agent
from tasks.models import Run, Task
from tasks.services.runs import cancel_run


@transaction.atomic
def stop_work_of(*, agent: Agent, actor: User | None) -> None:
    """Cancel the agent's live runs and take its tasks away. The runs are locked first: none ends meanwhile."""
    live = Run.objects.live().filter(agent=agent).select_for_update(of=("self",))
    for run in live.order_by("pk").select_related("team"):
        cancel_run(run=run, actor=actor, reason=f"{agent.name} was deleted.")
    for task in Task.objects.filter(agent=agent).present():
        Task.objects.filter(pk=task.pk).update(removed_at=timezone.now())
        audit.record(team=agent.team, actor=actor, action="task.removed", target=task)


def work_of(agent: Agent) -> Iterator[str]:
    """What `stop_work_of` would stop, for the page that asks whether to go on."""
    live = Run.objects.live().filter(agent=agent).count()
    tasks = Task.objects.present().filter(agent=agent).count()
    if live:
        yield f"{live} live {'run is' if live == 1 else 'runs are'} cancelled; work so far is kept and paid."
    if tasks:
        yield f"{tasks} {'task goes' if tasks == 1 else 'tasks go'} away; finished runs stay."
