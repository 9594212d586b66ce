"""Serializer fields for ids of a team's rows. An id of another team gets the same 422 as one that does not exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts import emails
from accounts.models import TeamScopedQuerySet, User
from accounts.prepared_sql import Param, PreparedQuery
from accounts.tenancy import Access

NOT_FOUND = "There is no such thing in this team."


class AddressField(serializers.EmailField):
    """Email field that returns the canonical spelling (accounts/emails.py)."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return emails.normalise(text) if text else text
        except ValidationError as error:
            raise serializers.ValidationError(error.messages, code="invalid") from None


class KnownAddressField(serializers.EmailField):
    """Email field that returns the address as its account stores it."""

    def to_internal_value(self, data: Any) -> str:
        return User.objects.stored_email(super().to_internal_value(data))


@extend_schema_field({"type": "string", "format": "uuid"})
class TeamRow(serializers.UUIDField):
    """Field that turns an id into its row. `rows` is a function, so that no query runs at import."""

    default_error_messages = {"not_found": NOT_FOUND}

    def __init__(self, *, rows: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = _prepared(rows)

    def to_internal_value(self, data: Any) -> Any:
        pk = super().to_internal_value(data)
        found = self.rows.first(team=self.context["view"].team.pk, pk=pk)
        if found is None or not _is_visible(self, found):
            self.fail("not_found")
        return found


class TeamRows(serializers.ListField):
    """Field that turns a list of ids into their rows. They keep their order and take one query."""

    child = serializers.UUIDField()

    def __init__(self, *, rows: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows

    def to_internal_value(self, data: Any) -> list[Any]:
        pks: list[UUID] = super().to_internal_value(data)
        found = _visible_rows(self, self.rows()).in_bulk(pks)
        missing: dict[Any, Any] = {
            index: [serializers.ErrorDetail(NOT_FOUND, "not_found")] for index, pk in enumerate(pks) if pk not in found
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [found[pk] for pk in pks]


@cache
def _prepared(rows: Callable[[], TeamScopedQuerySet[Any]]) -> PreparedQuery[Any]:
    return PreparedQuery(lambda: rows().filter(team=Param("team"), pk=Param("pk")))


def _visible_rows(
    field: serializers.Field[Any, Any, Any, Any], rows: TeamScopedQuerySet[Any]
) -> TeamScopedQuerySet[Any]:
    return rows.visible_to(field.context["view"].access)


def _is_visible(field: serializers.Field[Any, Any, Any, Any], row: Any) -> bool:
    """Return True if the caller may see the row. Owners and admins see every row of the team without a query."""
    access: Access = field.context["view"].access
    return access.sees_every_agent or bool(type(row).objects.visible_to(access).filter(pk=row.pk).exists())
