"""API endpoints of tasks."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import ListAndShow, find
from accounts.rest.conditional import conditional, require_match, with_etag
from accounts.rest.idempotency import idempotent
from tasks.api.inputs import TaskChange, TaskInput, TaskRunInput
from tasks.api.runs import start
from tasks.api.shapes import RunSerializer, TaskSerializer, new_run
from tasks.models import Run, Task
from tasks.services import assignments


@extend_schema_view(
    list=extend_schema(summary="List tasks"),
    retrieve=extend_schema(summary="Show a task"),
    create=extend_schema(summary="Make a task", request=TaskInput, responses={201: TaskSerializer}),
    partial_update=extend_schema(summary="Change a task", request=TaskChange, responses=TaskSerializer),
    destroy=extend_schema(summary="Delete a task", description="Its live runs are cancelled; finished ones stay."),
)
class TaskViewSet(ListAndShow):
    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    lookup_value_converter = "uuid"
    filterset_fields = ["agent"]
    read_scope, write_scope = "agents:read", "agents:write"
    action_scopes = {"runs": "runs:write"}

    def get_queryset(self) -> QuerySet[Task]:
        newest = Run.objects.filter(task=OuterRef("pk")).order_by("-pk")
        last_run = newest.values(said=JSONObject(id="pk", status="status", created_at="created_at"))[:1]
        rows: Any = super().get_queryset()
        found: QuerySet[Task] = rows.present().select_related("agent").annotate(last_run=Subquery(last_run))
        return found

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    @idempotent()
    def create(self, request: Request) -> Response:
        made = assignments.create_task(team=self.team, actor=self.actor, **self.read(TaskInput))
        return self._answer(made, status=201)

    @conditional
    @transaction.atomic
    def partial_update(self, request: Request, pk: str) -> Response:
        task = self._locked()
        return self._answer(assignments.update_task(task=task, actor=self.actor, changes=self.read(TaskChange)))

    @conditional
    @transaction.atomic
    def destroy(self, request: Request, pk: str) -> Response:
        assignments.remove_task(task=self._locked(), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="tasks_runs_create",
        summary="Start a run of a task",
        request=TaskRunInput,
        responses={201: RunSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def runs(self, request: Request, pk: str) -> Response:
        run = start(self, {"task": self.get_object(), **self.read(TaskRunInput)})
        return Response(new_run(run), status=201)

    def _locked(self) -> Task:
        """Lock the task until the commit. Nothing can change it between the `If-Match` check and the update."""
        rows = Task.objects.visible_to(self.access).present().select_for_update(of=("self",))
        task = find(rows, pk=self.kwargs["pk"])
        require_match(self.request, task)
        return task

    def _answer(self, task: Task, *, status: int = 200) -> Response:
        fresh = self.get_queryset().get(pk=task.pk)
        return with_etag(self.show(fresh, status=status), fresh)
