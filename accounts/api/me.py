"""API endpoint of the caller's profile and teams."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Membership
from accounts.models.roles import SCOPES
from accounts.rest.base import TeamAPIView, require_body
from accounts.rest.serializers import StrictSerializer
from accounts.services import people


@extend_schema_serializer(component_name="TeamOfMe")
class TeamOfMeSerializer(serializers.Serializer[Membership]):
    slug = serializers.CharField(source="team.slug")
    name = serializers.CharField(source="team.name")
    role = serializers.CharField()


@extend_schema_serializer(component_name="Me")
class MeSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField()
    hue = serializers.CharField()
    team = serializers.CharField(help_text="The team that this call acts in.")
    teams = TeamOfMeSerializer(many=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))


class MeInput(StrictSerializer):
    name = serializers.CharField(max_length=120, allow_blank=True, required=False)
    hue = serializers.ChoiceField(choices=people.HUES, required=False)


class MeView(TeamAPIView):
    read_scope = None
    write_scope = "team:admin"

    @extend_schema(responses=MeSerializer, operation_id="me_retrieve", summary="Who calls")
    def get(self, request: Request) -> Response:
        return self._answer()

    @extend_schema(request=MeInput, responses=MeSerializer, operation_id="me_update", summary="Change name or colour")
    def patch(self, request: Request) -> Response:
        require_body(request)
        given = MeInput(data=request.data, partial=True)
        given.is_valid(raise_exception=True)
        people.update_profile(user=self.actor, **given.validated_data)
        return self._answer()

    def required_scope(self) -> str | None:
        """Require the scope from keys only: a person may always change their own name."""
        return super().required_scope() if self.access.key else None

    def _answer(self) -> Response:
        memberships = Membership.objects.select_related("team").filter(user=self.actor).order_by("id")
        if self.access.key:
            memberships = memberships.filter(team=self.team)
        me = {
            "id": self.actor.pk,
            "email": self.actor.email,
            "name": self.actor.name,
            "hue": self.actor.hue,
            "team": self.team.slug,
            "teams": list(memberships),
            "scopes": sorted(self.access.actions.intersection(SCOPES)),
        }
        return Response(MeSerializer(me).data)
