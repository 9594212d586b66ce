"""API endpoints of runs: start, watch, cancel, retry, review."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, prefetch_related_objects
from django.http.response import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import NotFound
from accounts.prepared_sql import Param, PreparedQuery, prime_relation
from accounts.rest.base import NOTHING_HERE, ListAndShow, TeamViewSet, find, takes
from accounts.rest.filters import TimeFilter
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import EmptyInput
from accounts.tenancy import Access
from tasks.api.comparisons import ComparisonSerializer, read_with
from tasks.api.inputs import (
    ForkInput,
    ManyRetriesInput,
    ManyRunsInput,
    ManyRunsReasonInput,
    MessageInput,
    NewRun,
    ReasonInput,
    RetryInput,
    ReviewInput,
)
from tasks.api.receipts import ReceiptSerializer, receipt_of
from tasks.api.shapes import BulkResultsSerializer, RunSerializer, new_run
from tasks.models import HumanRequest, Run, RunInput, RunKind, RunOrigin, RunStatus
from tasks.reports.bundle import bundle_download
from tasks.services import answers, continuing, forks, runs, steering
from tasks.services.comparisons import compare_runs
from tasks.services.outages import with_retry_at
from tasks.services.run_request import RunRequest

PARTS = (
    Prefetch("requests", queryset=HumanRequest.objects.open().select_related("answered_by"), to_attr="open_requests"),
    Prefetch("inputs", queryset=RunInput.objects.select_related("file")),
)


def shown_runs() -> QuerySet[Run]:
    """Return runs with all that their shape needs, in a fixed number of queries."""
    return with_retry_at(Run.objects.with_people_words()).prefetch_related(*PARTS)


def _one_run() -> QuerySet[Run]:
    """Return the query of one run, with flags for files and open requests.

    Most runs have neither, which saves two queries.
    """
    asked = HumanRequest.objects.open().filter(run=OuterRef("pk"))
    given = RunInput.objects.filter(run=OuterRef("pk"))
    rows = with_retry_at(Run.objects.with_people_words()).annotate(has_requests=Exists(asked), has_inputs=Exists(given))
    return rows.filter(team=Param("team"), pk=Param("pk"))


_RUN = PreparedQuery(_one_run)


def shown_run(access: Access, pk: Any) -> Run:
    """Return a run with all that its shape needs. Raises NotFound."""
    run: Any = _RUN.first(team=access.team.pk, pk=pk)
    if run is None or (run.agent.is_limited and not Run.objects.visible_to(access).filter(pk=pk).exists()):
        raise NotFound(NOTHING_HERE)
    if run.has_requests or run.has_inputs:
        prefetch_related_objects([run], *PARTS)
    else:
        prime_relation(run, "inputs", [])
        run.open_requests = []
    return cast(Run, run)


class StatusFilter(filters.BaseInFilter, filters.ChoiceFilter):  # type: ignore[misc]
    """Filter `?status=running,waiting`."""

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

    def get_object(self) -> Run:
        return shown_run(self.access, self.kwargs["pk"])

    @idempotent(writes_once=True)
    def create(self, request: Request) -> Response:
        return Response(new_run(start(self, self.read(NewRun))), status=201)

    @extend_schema(summary="Cancel a run", request=ReasonInput, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    @idempotent()
    def cancel(self, request: Request, pk: str) -> Response:
        reason = self.read(ReasonInput).get("reason", "")
        return self.shown(runs.cancel_run(run=self.get_object(), actor=self.actor, reason=reason))

    @extend_schema(
        summary="Start a scheduled run before its time",
        description="409 when it has started or ended.",
        request=EmptyInput,
        responses=RunSerializer,
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def start(self, request: Request, pk: str) -> Response:
        self.read(EmptyInput)
        return self.shown(runs.start_now(run=self.get_object(), actor=self.actor))

    @extend_schema(
        summary="Repeat a run that has ended",
        description="A new run with the same input. 409 `would_repeat_effects` names in `effects` what the old run did "
        "outside; send `repeat_effects` to start it all the same, or continue the old run if it failed.",
        request=RetryInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def retry(self, request: Request, pk: str) -> Response:
        given = self.read(RetryInput)
        again = runs.retry_run(run=self.get_object(), actor=self.actor, origin=RunOrigin.API, **given)
        return self.shown(again, status=201)

    @extend_schema(
        summary="Continue a run that failed",
        description="The same run goes on after its last settled step: nothing that it did is done again. Time and "
        "turns count anew, money does not. 409 unless it failed, and where it cannot go on.",
        request=EmptyInput,
        responses={202: RunSerializer},
    )
    @action(detail=True, methods=["post"], url_path="continue", url_name="continue")
    @idempotent()
    def go_on(self, request: Request, pk: str) -> Response:
        self.read(EmptyInput)
        return self.shown(continuing.continue_run(run=self.get_object(), actor=self.actor), status=202)

    @extend_schema(summary="Approve, reject or revise a result", request=ReviewInput, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    @idempotent()
    def review(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        answers.review_run(run=run, actor=self.actor, **self.read(ReviewInput))
        return self.shown(run)

    @extend_schema(
        summary="Tell a live run something",
        description="The model reads it with its next turn; the run does not end before. 409 when it has ended.",
        request=MessageInput,
        responses={202: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def message(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        return self.shown(steering.steer_run(run=run, actor=self.actor, **self.read(MessageInput)), status=202)

    @extend_schema(
        summary="Try a run again from its middle",
        description="A new run that keeps what was settled until event `from_seq`; 0 starts at the beginning. "
        "409 where nobody could approve its calls: its version and the agent of today name other approvers. "
        "409 `would_repeat_effects` names in `effects` what the fork may do outside once more: without `reuse_tools` "
        "all that came after `from_seq`; send `repeat_effects` to start it all the same.",
        request=ForkInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def fork(self, request: Request, pk: str) -> Response:
        run = self.get_object()
        fork = forks.fork_run(run=run, actor=self.actor, origin=RunOrigin.API, **self.read(ForkInput))
        return self.shown(fork, status=201)

    @extend_schema(
        summary="Play a run again from its records",
        description="No model and no tool is called, and it costs nothing. 409 while the run has not ended.",
        request=EmptyInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def replay(self, request: Request, pk: str) -> Response:
        self.read(EmptyInput)
        return self.shown(forks.replay_run(run=self.get_object(), actor=self.actor, origin=RunOrigin.API), status=201)

    @extend_schema(summary="Itemise the cost of a run", responses=ReceiptSerializer)
    @action(detail=True, methods=["get"])
    def receipt(self, request: Request, pk: str) -> Response:
        return Response(ReceiptSerializer(receipt_of(self.get_object())).data)

    @extend_schema(
        summary="Download everything about a run",
        description="One tar.gz: run.json, events.ndjson, receipt.json and the delivered files under files/, with "
        "MANIFEST.json (their hashes) and verify.py (`python3 verify.py` checks them offline).",
        responses={(200, "application/gzip"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["get"])
    def bundle(self, request: Request, pk: str) -> HttpResponseBase:
        return bundle_download(self.get_object(), actor=self.actor)

    @extend_schema(
        summary="Compare a run with another one",
        parameters=[OpenApiParameter("with", UUID, required=True, description="The other run, which stands right.")],
        responses=ComparisonSerializer,
    )
    @action(detail=True, methods=["get"])
    @takes("with")
    def compare(self, request: Request, pk: str) -> Response:
        left = self.get_object()
        right = find(self.get_queryset(), pk=read_with(request.query_params.get("with")))
        return Response(ComparisonSerializer(compare_runs(left, right)).data)

    @extend_schema(
        summary="Cancel many runs",
        description="Up to 200. If one of them is not in this team, none is touched: 404.",
        request=ManyRunsReasonInput,
        responses=BulkResultsSerializer,
    )
    @action(detail=False, methods=["post"], url_path="bulk-cancel")
    @idempotent()
    def bulk_cancel(self, request: Request) -> Response:
        given = self.read(ManyRunsReasonInput)
        done, over = runs.cancel_runs(runs=self._many(given["runs"]), actor=self.actor, reason=given.get("reason", ""))
        found = {run.pk: {"outcome": "cancelled"} for run in done} | {
            run.pk: {"outcome": "already_ended"} for run in over
        }
        return _per_id(given["runs"], found)

    @extend_schema(
        summary="Repeat many runs that have ended",
        description="Up to 200. If one of them is not in this team, none is touched: 404. Those that did something "
        "outside are left alone and name it in `effects`, unless `repeat_effects` is sent.",
        request=ManyRetriesInput,
        responses=BulkResultsSerializer,
    )
    @action(detail=False, methods=["post"], url_path="bulk-retry")
    @idempotent()
    def bulk_retry(self, request: Request) -> Response:
        given = self.read(ManyRetriesInput)
        wanted = given.pop("runs")
        done = runs.retry_runs(runs=self._many(wanted), actor=self.actor, origin=RunOrigin.API, **given)
        found: dict[Any, dict[str, Any]] = {run.pk: {"outcome": "refused"} for run in done.refused}
        found |= {run.retry_of_id: {"outcome": "started", "new_run": run.pk} for run in done.new}
        found |= {pk: {"outcome": "would_repeat_effects", "effects": made} for pk, made in done.with_effects.items()}
        return _per_id(wanted, found)

    @extend_schema(
        summary="Continue many runs that failed",
        description="Up to 200. If one of them is not in this team, none is touched: 404.",
        request=ManyRunsInput,
        responses=BulkResultsSerializer,
    )
    @action(detail=False, methods=["post"], url_path="bulk-continue")
    @idempotent()
    def bulk_continue(self, request: Request) -> Response:
        wanted = self.read(ManyRunsInput)["runs"]
        done, refused = continuing.continue_runs(runs=self._many(wanted), actor=self.actor)
        found = {run.pk: {"outcome": "continued"} for run in done} | {run.pk: {"outcome": "refused"} for run in refused}
        return _per_id(wanted, found)

    def _many(self, wanted: Collection[UUID]) -> list[Run]:
        """Return the runs, oldest first, so that two callers lock them in one order. Raises NotFound."""
        rows = Run.objects.visible_to(self.access).with_people_words().select_related("team")
        found = list(rows.filter(pk__in=wanted).order_by("pk"))
        if len(found) < len(set(wanted)):
            raise NotFound(NOTHING_HERE)
        return found

    def shown(self, run: Run, *, status: int = 200) -> Response:
        """Return the response for the run's present state."""
        return self.show(shown_run(self.access, run.pk), status=status)


def _per_id(wanted: Collection[UUID], found: dict[Any, dict[str, Any]]) -> Response:
    """Return the result for each run, in the order of the request."""
    results = [{"run": pk, "new_run": None, "effects": []} | found[pk] for pk in dict.fromkeys(wanted)]
    return Response(BulkResultsSerializer({"results": results}).data)


class OfRun(TeamViewSet):
    """View set over rows of one run of the caller's team."""

    read_scope, write_scope = "runs:read", "runs:write"

    def run(self) -> Run:
        return find(Run.objects.visible_to(self.access), pk=self.kwargs["run_pk"])

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else rows.filter(run=self.run())


def start(view: TeamViewSet, given: dict[str, Any]) -> Run:
    """Start a run from a validated body."""
    return runs.start_run(RunRequest(team=view.team, actor=view.actor, origin=RunOrigin.API, **given))
