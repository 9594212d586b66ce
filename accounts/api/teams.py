"""API endpoints of teams and members. The URL names the team; the header `X-Team` is ignored."""

from __future__ import annotations

from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import Forbidden
from accounts.models import Membership, Role, Team, User
from accounts.removal import dependents
from accounts.rest.base import ListAndShow, TeamViewSet, find, refuses, takes
from accounts.rest.conditional import conditional, require_match, with_etag
from accounts.rest.idempotency import idempotent
from accounts.rest.permissions import InsufficientScope
from accounts.rest.serializers import EmptyInput, StrictSerializer
from accounts.services import members, teams
from accounts.services.deletion import remove_team
from accounts.tenancy import Access, access_of_member

IN_PERSON = "A key works inside one team. Sign in yourself for this."


@extend_schema_serializer(component_name="Team")
class TeamSerializer(serializers.Serializer[Membership]):
    id = serializers.UUIDField(source="team.pk")
    slug = serializers.CharField(source="team.slug")
    name = serializers.CharField(source="team.name")
    is_personal = serializers.BooleanField(source="team.is_personal")
    role = serializers.ChoiceField(choices=Role.values, help_text="What you are in it.")
    created_at = serializers.DateTimeField(source="team.created_at")


@extend_schema_serializer(component_name="TeamInput")
class TeamInput(StrictSerializer):
    name = serializers.CharField(max_length=teams.NAME_MAX)


@extend_schema_serializer(component_name="TeamDependents")
class DependentsSerializer(serializers.Serializer[Any]):
    members = serializers.IntegerField()
    api_keys = serializers.IntegerField()
    invitations = serializers.IntegerField()
    agents = serializers.IntegerField()
    tasks = serializers.IntegerField()
    live_runs = serializers.IntegerField()
    files = serializers.IntegerField()


@extend_schema_serializer(component_name="TransferInput")
class TransferInput(StrictSerializer):
    user = serializers.UUIDField(help_text="The id of the member who owns the team from now on.")


@extend_schema_serializer(component_name="Member")
class MemberSerializer(serializers.Serializer[Membership]):
    id = serializers.UUIDField(source="user.pk")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=Role.values)
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="MemberInput")
class MemberInput(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.values)


class OfTeam(TeamViewSet):
    """Base view for what belongs to the team whose slug is in the URL."""

    needs_team = takes_team = False

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if request.user.is_authenticated:
            request.auth = self._access(request)

    def _access(self, request: Request) -> Access:
        given = cast(Access | None, request.auth)
        slug = self.kwargs["slug"]
        if given is not None and given.team.slug == slug:
            return given
        mine = Membership.objects.select_related("team").filter(user=cast(User, request.user))
        rows = mine.none() if given is not None and given.key else mine
        return access_of_member(find(rows, team__slug=slug))

    def member(self, user: User) -> Membership:
        return Membership.objects.select_related("team", "user").get(team=self.team, user=user)

    def require_person(self) -> None:
        if self.access.key:
            raise Forbidden(IN_PERSON)

    def require_person_for_owners(self, *roles: str) -> None:
        """Raise InsufficientScope if a key makes, changes or removes an owner.

        Owners can delete the team or transfer it, so no key may, whoever made it.
        """
        if self.access.key and Role.OWNER in roles:
            raise InsufficientScope(IN_PERSON, extra={"required_scope": "team:own"})


@extend_schema_view(list=extend_schema(summary="List your teams"))
class TeamListViewSet(ListAndShow):
    queryset = Membership.objects.select_related("team")
    serializer_class = TeamSerializer
    read_scope = write_scope = None
    needs_team = takes_team = False

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return Membership.objects.none()
        mine = Membership.objects.select_related("team").filter(user=self.actor)
        key = self.access.key if self.request.auth else None
        return mine.filter(team=key.team) if key else mine

    @extend_schema(summary="Make a team", request=TeamInput, responses={201: TeamSerializer})
    @idempotent()
    def create(self, request: Request) -> Response:
        given = self.read(TeamInput)
        if request.auth and self.access.key:
            raise Forbidden(IN_PERSON)
        made = teams.create_team(owner=self.actor, name=given["name"])
        membership = Membership.objects.select_related("team").get(team=made, user=self.actor)
        if request.auth is None:
            request.auth = access_of_member(membership)
        return with_etag(self.show(membership, status=201), made)


class TeamOneViewSet(OfTeam):
    serializer_class = TeamSerializer
    read_scope, write_scope = None, "team:admin"
    action_scopes = {"leave": None, "destroy": "team:own", "transfer": "team:own"}

    def required_scope(self) -> str | None:
        """Raise InsufficientScope if a key calls an action that needs `team:own`, which is for people only."""
        scope = super().required_scope()
        if scope == "team:own" and self.access.key:
            raise InsufficientScope(IN_PERSON, extra={"required_scope": scope})
        return scope

    @extend_schema(operation_id="teams_retrieve", summary="Show a team")
    def retrieve(self, request: Request, slug: str) -> Response:
        return self._answer()

    @extend_schema(operation_id="teams_update", summary="Rename a team", request=TeamInput, responses=TeamSerializer)
    @conditional
    @transaction.atomic
    def partial_update(self, request: Request, slug: str) -> Response:
        team = self._held()
        given = self.read(TeamInput)
        if given:
            teams.rename_team(team=team, actor=self.actor, name=given["name"])
        return self._answer()

    @extend_schema(
        operation_id="teams_destroy",
        summary="Delete a team",
        description="What `dependents/` counts ends at once. Its usage ledger and its audit log are kept.",
        parameters=[OpenApiParameter("confirm", str, required=True, description="The name of the team.")],
        responses={204: None},
    )
    @takes("confirm")
    @refuses(422)
    @conditional
    @transaction.atomic
    def destroy(self, request: Request, slug: str) -> Response:
        remove_team(team=self._held(), actor=self.actor, confirm=request.query_params.get("confirm", ""))
        return Response(status=204)

    @extend_schema(
        operation_id="teams_dependents", summary="Count what ends with a team", responses=DependentsSerializer
    )
    def dependents(self, request: Request, slug: str) -> Response:
        return Response(DependentsSerializer(dependents(self.team)).data)

    @extend_schema(
        operation_id="teams_transfer",
        summary="Hand a team to another member",
        request=TransferInput,
        responses={200: TeamSerializer},
    )
    @idempotent()
    def transfer(self, request: Request, slug: str) -> Response:
        user = find(User.objects.filter(memberships__team=self.team), pk=self.read(TransferInput)["user"])
        members.transfer_ownership(team=self.team, actor=self.actor, user=user)
        return self._answer()

    @extend_schema(operation_id="teams_leave", summary="Leave a team", request=EmptyInput, responses={204: None})
    def leave(self, request: Request, slug: str) -> Response:
        self.require_person()
        self.read(EmptyInput)
        members.remove_member(team=self.team, actor=self.actor, user=self.actor)
        return Response(status=204)

    def _held(self) -> Team:
        team = members.lock_team(self.team)
        require_match(self.request, team)
        return team

    def _answer(self) -> Response:
        membership = self.member(self.actor)
        return with_etag(self.show(membership), membership.team)


@extend_schema_view(list=extend_schema(summary="List the members of a team"))
class MemberViewSet(ListAndShow, OfTeam):
    queryset = Membership.objects.select_related("user")
    serializer_class = MemberSerializer
    read_scope, write_scope = None, "team:admin"
    lookup_field, lookup_url_kwarg = "user_id", "user_pk"

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return Membership.objects.none()
        return Membership.objects.select_related("team", "user").filter(team=self.team)

    @extend_schema(summary="Show a member")
    def retrieve(self, request: Request, **of: Any) -> Response:
        membership = self.get_object()
        return with_etag(self.show(membership), membership)

    @extend_schema(summary="Change a member's role", request=MemberInput, responses=MemberSerializer)
    @conditional
    @transaction.atomic
    def partial_update(self, request: Request, slug: str, user_pk: str) -> Response:
        membership = self._held()
        given = self.read(MemberInput)
        if given:
            self.require_person_for_owners(membership.role, given["role"])
            members.change_role(team=self.team, actor=self.actor, user=membership.user, role=given["role"])
        return self.retrieve(request)

    @extend_schema(
        summary="Remove a member", description="Or leave: everyone may remove themselves.", responses={204: None}
    )
    @conditional
    @transaction.atomic
    def destroy(self, request: Request, slug: str, user_pk: str) -> Response:
        membership = self._held()
        self.require_person_for_owners(membership.role)
        if membership.user_id == self.actor.pk:
            self.require_person()
        members.remove_member(team=self.team, actor=self.actor, user=membership.user)
        return Response(status=204)

    def required_scope(self) -> str | None:
        """Require no scope from a person who leaves the team. A key cannot leave for its maker."""
        scope = super().required_scope()
        is_me = str(self.kwargs.get("user_pk")) == str(self.actor.pk)
        return None if self.request.method == "DELETE" and is_me and not self.access.key else scope

    def _held(self) -> Membership:
        members.lock_team(self.team)
        membership: Membership = self.get_object()
        require_match(self.request, membership)
        return membership
