"""Runs over the API: start, watch, stop, repeat, review."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ListAndShow, TeamViewSet, find
from accounts.api.filters import TimeFilter
from accounts.api.idempotency import idempotent
from tasks.api.inputs import EmptyInput, ForkInput, NewRun, ReasonInput, ReviewInput
from tasks.api.receipts import ReceiptSerializer, receipt_of
from tasks.api.shapes import RunSerializer, new_run
from tasks.models import HumanRequest, Run, RunInput, RunKind, RunStatus
from tasks.services import answers, forks, runs

WORDS = {"variables": "values"}
"""Names of the contract that the service calls otherwise."""


def shown_runs() -> QuerySet[Run]:
    """Runs with all that their shape needs, in a fixed number of queries."""
    asked = HumanRequest.objects.open().select_related("answered_by")
    return Run.objects.with_people_words().prefetch_related(
        Prefetch("requests", queryset=asked, to_attr="open_requests"),
        Prefetch("inputs", queryset=RunInput.objects.select_related("file")),
    )


class StatusFilter(filters.BaseInFilter, filters.ChoiceFilter):  # type: ignore[misc]
    """`?status=running,waiting`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=RunStatus.choices, **kwargs)


class RunFilter(filters.FilterSet):  # type: ignore[misc]
    status = StatusFilter(label="One or more states, separated by commas.")
    agent = filters.UUIDFilter(field_name="agent_id")
    task = filters.UUIDFilter(field_name="task_id")
    kind = filters.ChoiceFilter(choices=RunKind.choices)
    since = TimeFilter(field_name="created_at", lookup_expr="gte")


@extend_schema_view(
    list=extend_schema(summary="List runs"),
    retrieve=extend_schema(summary="Show a run"),
    create=extend_schema(summary="Start a run", request=NewRun, responses={201: RunSerializer}),
)
class RunViewSet(ListAndShow):
    queryset = shown_runs()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    lookup_value_converter = "uuid"
    read_scope, write_scope = "runs:read", "runs:write"

    @idempotent()
    def create(self, request: Request) -> Response:
        return Response(new_run(start(self, self.read(NewRun))), status=201)

    @extend_schema(summary="Cancel a run", request=ReasonInput, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    @idempotent()
    def cancel(self, request: Request, pk: str) -> Response:
        reason = self.read(ReasonInput).get("reason", "")
        return self.shown(runs.cancel_run(run=self.get_object(), actor=self.actor, reason=reason))

    @extend_schema(summary="Repeat a run that has ended", request=EmptyInput, responses={201: RunSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def retry(self, request: Request, pk: str) -> Response:
        self.read(EmptyInput)
        return self.shown(runs.retry_run(run=self.get_object(), actor=self.actor), status=201)

    @extend_schema(summary="Approve, reject or revise a result", request=ReviewInput, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    @idempotent()
    def review(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        answers.review_run(run=run, actor=self.actor, **self.read(ReviewInput))
        return self.shown(run)

    @extend_schema(
        summary="Try a run again from its middle",
        description="A new run that keeps what was settled until event `from_seq`; 0 starts at the beginning.",
        request=ForkInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def fork(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        return self.shown(forks.fork_run(run=run, actor=self.actor, **self.read(ForkInput)), status=201)

    @extend_schema(
        summary="Play a run again from its records",
        description="No model and no tool is called, and it costs nothing.",
        request=EmptyInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def replay(self, request: Request, pk: str) -> Response:
        self.read(EmptyInput)
        return self.shown(forks.replay_run(run=self.get_object(), actor=self.actor), status=201)

    @extend_schema(summary="Itemise the cost of a run", responses=ReceiptSerializer)
    @action(detail=True, methods=["get"])
    def receipt(self, request: Request, pk: str) -> Response:
        return Response(ReceiptSerializer(receipt_of(self.get_object())).data)

    def shown(self, run: Run, *, status: int = 200) -> Response:
        """The run as it is now."""
        return self.show(self.get_queryset().get(pk=run.pk), status=status)


class OfRun(TeamViewSet):
    """Rows of one run, which must be one of the caller's team."""

    read_scope, write_scope = "runs:read", "runs:write"

    def run(self) -> Run:
        return find(Run.objects.for_team(self.team), pk=self.kwargs["run_pk"])

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else rows.filter(run=self.run())


def start(view: TeamViewSet, given: dict[str, Any]) -> Run:
    """Start a run from a checked body."""
    named = {WORDS.get(name, name): value for name, value in given.items()}
    return runs.start_run(team=view.team, actor=view.actor, **named)
