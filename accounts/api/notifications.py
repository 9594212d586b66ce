"""API endpoints of the caller's own notifications in the current team."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notifications
from accounts.models import Notification
from accounts.models.notifications import NotificationQuerySet
from accounts.rest.base import ListAndShow
from accounts.rest.serializers import EmptyInput


@extend_schema_serializer(component_name="Notification")
class NotificationSerializer(serializers.ModelSerializer[Notification]):
    subject = serializers.SerializerMethodField()

    class Meta:
        model = Notification
        fields = ["id", "kind", "title", "detail", "url", "subject", "created_at", "read_at", "settled_at"]
        read_only_fields = fields

    def get_subject(self, row: Notification) -> dict[str, str]:
        return {"type": row.subject_type, "id": row.subject_id, "label": row.subject_label}


@extend_schema_serializer(component_name="NotificationsRead")
class ReadSerializer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread until now.")


class NotificationFilter(filters.FilterSet):  # type: ignore[misc]
    unread = filters.BooleanFilter(method="only_unread")

    class Meta:
        model = Notification
        fields = ["kind"]

    def only_unread(self, rows: NotificationQuerySet, name: str, value: bool) -> NotificationQuerySet:
        return rows.unread() if value else rows


@extend_schema_view(
    list=extend_schema(summary="List what you were told"),
    retrieve=extend_schema(summary="Show a notification"),
)
class NotificationViewSet(ListAndShow):
    """Notifications of the caller, or of the person who made the key."""

    queryset = Notification.objects.all()
    serializer_class = NotificationSerializer
    filterset_class = NotificationFilter
    lookup_value_converter = "uuid"
    read_scope = write_scope = "runs:read"

    def get_queryset(self) -> QuerySet[Any]:
        rows = cast(NotificationQuerySet, super().get_queryset())
        return rows if getattr(self, "swagger_fake_view", False) else rows.shown_to(self.actor, self.access.actions)

    @extend_schema(
        operation_id="notifications_read",
        summary="Mark a notification as read",
        description="Reading it again changes nothing.",
        request=EmptyInput,
        responses=NotificationSerializer,
    )
    def mark_read(self, request: Request, pk: str) -> Response:
        row = self.get_object()
        self.read(EmptyInput)
        notifications.mark_read(team=self.team, person=self.actor, actions=self.access.actions, only=row.pk)
        row.refresh_from_db()
        return self.show(row)

    @extend_schema(
        operation_id="notifications_read_all",
        summary="Mark all notifications as read",
        request=EmptyInput,
        responses=ReadSerializer,
    )
    def mark_all(self, request: Request) -> Response:
        self.read(EmptyInput)
        read = notifications.mark_read(team=self.team, person=self.actor, actions=self.access.actions)
        return Response({"read": read})
