"""Filters of lists. Unknown parameters are refused: a filter that is silently ignored shows too much."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend, IsoDateTimeFilter
from django_filters.utils import translate_validation
from rest_framework.request import Request

from accounts.rest.errors import UNKNOWN, BadParameter

if TYPE_CHECKING:
    from rest_framework.views import APIView

PAGING = {"limit", "cursor", "ordering"}


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        if not request.query_params.keys() - PAGING:
            return queryset
        filterset = self.get_filterset(request, queryset, view)
        known = PAGING | (set(filterset.filters) if filterset is not None else set())
        for name in request.query_params:
            if name not in known:
                raise BadParameter(name[:60], UNKNOWN)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            detail: Any = translate_validation(filterset.errors).detail
            name, messages = next(iter(detail.items()))
            raise BadParameter(name, str(messages[0]))
        filtered: QuerySet[Any] = filterset.qs
        return filtered


class _UtcField(IsoDateTimeField):  # type: ignore[misc]
    def to_python(self, value: Any) -> datetime | None:
        read: datetime | None = super().to_python(value)
        try:
            return read and read.astimezone(UTC)
        except OverflowError:
            raise ValidationError("Give a time between the years 1 and 9999.", code="invalid") from None


class TimeFilter(IsoDateTimeFilter):  # type: ignore[misc]
    """Point in time, converted to UTC. PostgreSQL refuses offsets of 16 hours and more, ISO 8601 does not."""

    field_class = _UtcField
