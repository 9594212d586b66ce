"""API endpoints of an agent's memories."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import ListAndShow, find
from accounts.rest.conditional import conditional, require_match, with_etag
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import EmptyInput
from agents.api.agents import OfAgent
from agents.api.serializers import MemoryInput, MemorySerializer
from agents.models import Memory
from agents.services import memories


@extend_schema_view(
    list=extend_schema(summary="List what an agent remembers"),
    retrieve=extend_schema(summary="Show a memory"),
    create=extend_schema(
        summary="Tell an agent something to keep", request=MemoryInput, responses={201: MemorySerializer}
    ),
    partial_update=extend_schema(summary="Correct a memory", request=MemoryInput, responses=MemorySerializer),
    destroy=extend_schema(summary="Make an agent forget"),
)
class MemoryViewSet(ListAndShow, OfAgent):
    queryset = Memory.objects.all()
    serializer_class = MemorySerializer

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    @idempotent()
    def create(self, request: Request, agent_pk: str) -> Response:
        agent = self.agent()  # first: access is checked before the input
        text = self.read(MemoryInput)["text"]
        return self._answer(memories.add_memory(agent=agent, actor=self.actor, text=text), status=201)

    @conditional
    @transaction.atomic
    def partial_update(self, request: Request, agent_pk: str, pk: str) -> Response:
        memory = self._locked()
        text = self.read(MemoryInput).get("text", memory.text)
        return self._answer(memories.change_memory(memory=memory, actor=self.actor, text=text))

    @conditional
    @transaction.atomic
    def destroy(self, request: Request, agent_pk: str, pk: str) -> Response:
        memories.forget_memory(memory=self._locked(), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        summary="Accept what an agent learned",
        description="It comes first when the agent recalls, and is the last to go when the memory is full.",
        request=EmptyInput,
        responses=MemorySerializer,
    )
    @idempotent()
    def accept(self, request: Request, agent_pk: str, pk: str) -> Response:
        memory = self.get_object()
        self.read(EmptyInput)
        return self._answer(memories.accept_memory(memory=memory, actor=self.actor))

    def _locked(self) -> Memory:
        """Lock and return the memory, and check `If-Match` under the lock."""
        memory: Memory = find(self.get_queryset().select_for_update(of=("self",)), pk=self.kwargs["pk"])
        require_match(self.request, memory)
        return memory

    def _answer(self, memory: Memory, *, status: int = 200) -> Response:
        return with_etag(self.show(memory, status=status), memory)
