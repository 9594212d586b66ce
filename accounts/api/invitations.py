"""API endpoints of invitations. The link is only in the mail, so no response contains it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.teams import IN_PERSON, OfTeam, TeamSerializer
from accounts.errors import Forbidden, NotFound
from accounts.models import Invitation, Role
from accounts.rest.base import ListAndShow, TeamAPIView
from accounts.rest.fields import AddressField
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import EmptyInput, StrictSerializer, checked
from accounts.services import invitations
from accounts.tenancy import access_of_member

NO_SUCH_INVITATION = "There is no such invitation. Check that you opened the complete link."


@extend_schema_serializer(component_name="Invitation")
class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    role = serializers.ChoiceField(choices=Role.values)
    status = serializers.ChoiceField(choices=["open", "expired", "accepted", "revoked"])
    invited_by = serializers.CharField(source="invited_by.email", default=None, allow_null=True)

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "status", "invited_by", "created_at", "sent_at", "expires_at"]
        read_only_fields = fields


@extend_schema_serializer(component_name="InvitationInput")
class InvitationInput(StrictSerializer):
    email = AddressField(max_length=254)
    role = serializers.ChoiceField(choices=Role.values, default=Role.MEMBER)


@extend_schema_view(
    list=extend_schema(summary="List a team's open invitations"),
    retrieve=extend_schema(summary="Show an open invitation"),
    create=extend_schema(summary="Invite a person", request=InvitationInput, responses={201: InvitationSerializer}),
    destroy=extend_schema(summary="Revoke an invitation"),
)
class InvitationViewSet(ListAndShow, OfTeam):
    queryset = Invitation.objects.select_related("invited_by")
    serializer_class = InvitationSerializer
    read_scope = write_scope = "team:admin"
    lookup_url_kwarg = "invitation_pk"

    def get_queryset(self) -> QuerySet[Invitation]:
        rows: Any = super().get_queryset()
        found: QuerySet[Invitation] = rows.open()
        return found

    @idempotent()
    def create(self, request: Request, slug: str) -> Response:
        given = self.read(InvitationInput)
        self.require_person_for_owners(given["role"])
        made = invitations.invite(team=self.team, actor=self.actor, **given)
        return self.show(made, status=201)

    def destroy(self, request: Request, slug: str, invitation_pk: str) -> Response:
        invitations.revoke(invitation=self.get_object(), actor=self.actor)
        return Response(status=204)

    @extend_schema(
        operation_id="teams_invitations_resend",
        summary="Send an invitation again",
        description="With a new link; the one before stops working.",
        request=EmptyInput,
        responses=InvitationSerializer,
    )
    @idempotent()
    def resend(self, request: Request, slug: str, invitation_pk: str) -> Response:
        invitation = self.get_object()
        self.require_person_for_owners(invitation.role)
        self.read(EmptyInput)
        return self.show(invitations.send_again(invitation=invitation, actor=self.actor))


class AcceptView(TeamAPIView):
    read_scope = write_scope = None
    needs_team = takes_team = False

    @extend_schema(
        operation_id="invitations_accept",
        summary="Accept an invitation",
        description="As the person whose address it was sent to.",
        request=EmptyInput,
        responses={200: TeamSerializer},
    )
    @idempotent()
    def post(self, request: Request, token: str) -> Response:
        if request.auth and self.access.key:
            raise Forbidden(IN_PERSON)
        checked(EmptyInput, request.data, context={})
        invitation = invitations.find_invitation(token)
        if invitation is None:
            raise NotFound(NO_SUCH_INVITATION)
        membership = invitations.accept(invitation=invitation, user=self.actor)
        if request.auth is None:
            request.auth = access_of_member(membership)
        return Response(TeamSerializer(membership).data)
