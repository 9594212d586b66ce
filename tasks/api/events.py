"""API endpoint of a run's stored events, for occasional reads. Watchers use the stream or the socket."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView, find, takes
from accounts.rest.errors import BadParameter
from accounts.rest.serializers import shown
from tasks.api.event_schema import EVENT_LIST
from tasks.events import EVENT_TYPES
from tasks.models import Run, RunEvent

DEFAULT_LIMIT, MAX_LIMIT = 200, 1000
MAX_SEQ = 2_147_483_647
"""Largest value of an integer column."""


class EventSerializer(serializers.ModelSerializer[RunEvent]):
    run = serializers.UUIDField(source="run_id")

    class Meta:
        model = RunEvent
        fields = ["run", "seq", "type", "at", "data"]
        read_only_fields = fields


class RunEventsView(TeamAPIView):
    read_scope, write_scope = "runs:read", "runs:write"

    @extend_schema(
        operation_id="runs_events_list",
        summary="List the events of a run",
        parameters=[
            OpenApiParameter("after", {"type": "integer", "minimum": 0, "maximum": MAX_SEQ, "default": 0}),
            OpenApiParameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
            ),
            OpenApiParameter("types", str, description="Only these types, separated by commas."),
        ],
        responses={200: EVENT_LIST},
    )
    @takes("after", "limit", "types")
    def get(self, request: Request, run_pk: str) -> Response:
        asked = _Asked(request)
        run = find(Run.objects.visible_to(self.access), pk=run_pk)
        rows = RunEvent.objects.filter(run=run, seq__gt=asked.after)
        if asked.types:
            rows = rows.filter(type__in=asked.types)
        found = list(rows.order_by("seq")[: asked.limit])
        results = [shown(EventSerializer, event) for event in found]
        return Response({"results": results, "last_seq": run.last_seq, "run_status": run.status})


class _Asked:
    """Validated query parameters."""

    def __init__(self, request: Request) -> None:
        given: Any = request.query_params
        self.after = _number("after", given.get("after", "0"), 0, MAX_SEQ)
        self.limit = _number("limit", given.get("limit", str(DEFAULT_LIMIT)), 1, MAX_LIMIT)
        self.types = [name for name in given.get("types", "").split(",") if name]
        unknown = [name for name in self.types if name not in EVENT_TYPES]
        if unknown:
            raise BadParameter("types", f"There is no event type “{unknown[0][:30]}”.")


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise BadParameter(name, f"Give a whole number from {least} to {most}.")
    return int(text)
