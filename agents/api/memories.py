"""What an agent remembers, over the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ListAndShow
from accounts.api.idempotency import idempotent
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

    @idempotent()
    def create(self, request: Request, agent_pk: str) -> Response:
        agent = self.agent()  # first: whose agent it is comes before what is wrong with the input
        text = self.read(MemoryInput)["text"]
        return self.show(memories.add_memory(agent=agent, actor=self.actor, text=text), status=201)

    def partial_update(self, request: Request, agent_pk: str, pk: str) -> Response:
        memory = self.get_object()
        text = self.read(MemoryInput).get("text", memory.text)
        return self.show(memories.change_memory(memory=memory, actor=self.actor, text=text))

    def destroy(self, request: Request, agent_pk: str, pk: str) -> Response:
        memories.forget_memory(memory=self.get_object(), actor=self.actor)
        return Response(status=204)
