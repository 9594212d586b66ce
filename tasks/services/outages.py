"""Outages of models: waiting runs, probes, and resumption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Greatest, Now, NullIf

from tasks import event_log, events, queue
from tasks.models import ModelCircuit, Run, RunStatus, WaitKind
from tasks.models.run import RunQuerySet

ASKED_MODEL_OF_OUTER = Coalesce(NullIf(OuterRef("model_override"), Value("")), OuterRef("version__model"))
PROBE_S = 60
"""Seconds for a chosen run to be claimed and to probe the model."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Outage of the model that a run waits for."""

    model: str
    retry_at: datetime
    """Time at which this run or another one tries the model again."""
    since: datetime | None = None
    """Start of the outage; None if only this run failed."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AwayModel:
    """Open circuit, for operators."""

    circuit: ModelCircuit
    waiting: int
    """Number of runs that wait for it."""
    retry_at: datetime


def away_models() -> list[AwayModel]:
    """Return the models that are away, the longest outage first."""
    found: Any = ModelCircuit.objects.open().with_next_try().order_by("opened_at")
    runs = Run.objects.filter(status=RunStatus.WAITING, waiting_kind=WaitKind.MODEL).with_asked_model()
    return [AwayModel(one, runs.filter(_of([one])).count(), one.next_try_at) for one in found]


def probe_now(circuit: ModelCircuit) -> bool:
    """Let the next run probe the model at once. Return False if the circuit is closed."""
    return bool(ModelCircuit.objects.open().filter(pk=circuit.pk).update(retry_at=Now()))


def outage_of(run: Run) -> Outage | None:
    """Return the outage, or None for a run that does not wait for a model."""
    if run.status != RunStatus.WAITING or run.waiting_kind != WaitKind.MODEL or run.start_at is None:
        return None
    model = run.model_override or run.version.model
    found: Any = ModelCircuit.objects.of(run.version.runtime, model).open().with_next_try()
    circuit = found.first()
    if circuit is None:
        return Outage(model, run.start_at)
    return Outage(model, max(run.start_at, circuit.next_try_at), circuit.failing_since, circuit.detail)


def with_retry_at(runs: RunQuerySet) -> RunQuerySet:
    """Annotate `retry_at`, the time at which a run that waits by itself is tried next. For lists: one query for all."""
    circuit: Any = ModelCircuit.objects.of(OuterRef("version__runtime"), ASKED_MODEL_OF_OUTER).with_next_try()
    by_circuit = Greatest("start_at", Subquery(circuit.values("next_try_at")[:1]))
    is_waiting = Q(status=RunStatus.WAITING)
    return runs.annotate(
        retry_at=Case(
            When(is_waiting, waiting_kind=WaitKind.MODEL, then=by_circuit),
            When(is_waiting, waiting_kind=WaitKind.TIMER, then="start_at"),
        )
    )


def resume_runs(*, limit: int) -> int:
    """Queue runs whose model answers again, and one probing run for each model that is due. Return how many."""
    answering = without_away(Run.objects.due(WaitKind.MODEL))
    resumed = sum(_go_on(run) for run in answering.order_by("start_at")[:limit])
    return resumed + sum(_probe(circuit) for circuit in ModelCircuit.objects.due())


def without_away(runs: RunQuerySet) -> RunQuerySet:
    """Exclude runs that wait for a model that is away."""
    away = list(ModelCircuit.objects.open())
    return runs.with_asked_model().exclude(_of(away), waiting_kind=WaitKind.MODEL) if away else runs


@transaction.atomic
def _probe(circuit: ModelCircuit) -> bool:
    """Let the run that has waited longest probe the model."""
    held = ModelCircuit.objects.due().select_for_update(skip_locked=True).filter(pk=circuit.pk).first()
    waiting = Run.objects.due(WaitKind.MODEL).with_asked_model().filter(_of([circuit])).order_by("start_at").first()
    if held is None or waiting is None or not _go_on(waiting):
        return False
    until = Now() + timedelta(seconds=PROBE_S)
    ModelCircuit.objects.filter(pk=circuit.pk).update(probe_run=waiting.pk, probe_until=until)
    return True


@transaction.atomic
def _go_on(run: Run) -> bool:
    locked = Run.objects.due(WaitKind.MODEL).select_for_update(skip_locked=True, of=("self",)).filter(pk=run.pk).first()
    if locked is None:
        return False
    locked.move_to(RunStatus.QUEUED, start_at=None)
    event_log.append(locked, events.RunQueued(reason="model"))
    queue.enqueue_run(locked.pk)
    return True


def _of(circuits: Iterable[ModelCircuit]) -> Q:
    """Return the condition for runs that call one of these models.

    The runs are annotated by `with_asked_model`; without models none matches.
    """
    found = Q(pk__in=())
    for circuit in circuits:
        found |= Q(provider=circuit.provider, asked_model=circuit.model)
    return found
