"""Keyset pagination. A cursor names the row to go on from, so inserts and deletes never shift a page."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from django.db import models
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.serializer_helpers import ReturnList

from accounts.rest.errors import BadParameter

if TYPE_CHECKING:
    from rest_framework.views import APIView

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
ORDERINGS = {"-created_at": True, "created_at": False}
"""{name: is descending}. Ids are UUIDv7 or counters, so their order is the order of creation."""


class CursorPagination(BasePagination):
    """Pagination by `?limit=50&cursor=…&ordering=-created_at`, answered as {"results", "next", "previous"}."""

    key = "pk"
    """Field that orders the rows: unique, and growing with time."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        self.request = request
        self.limit = _limit(request.query_params.get("limit"))
        self.is_descending = _ordering(request.query_params.get("ordering"))
        backwards, after = _decode(request.query_params.get("cursor"), queryset.model, self.key)

        going_down = self.is_descending is not backwards
        if after is not None:
            queryset = queryset.filter(**{f"{self.key}__lt" if going_down else f"{self.key}__gt": after})
        rows = list(queryset.order_by(f"-{self.key}" if going_down else self.key)[: self.limit + 1])
        has_more, rows = len(rows) > self.limit, rows[: self.limit]
        if backwards:
            rows.reverse()
        self.has_next = has_more if not backwards else True
        self.has_previous = has_more if backwards else after is not None
        self.rows = rows
        return rows

    def get_paginated_response(self, data: ReturnList[Any]) -> Response:
        return Response(
            {
                "results": data,
                "next": self._link("n", self.rows[-1]) if self.has_next and self.rows else None,
                "previous": self._link("p", self.rows[0]) if self.has_previous and self.rows else None,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": link, "previous": link},
            "additionalProperties": False,
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}),
            _parameter("cursor", {"type": "string"}, "From `next` or `previous` of another page."),
            _parameter("ordering", {"type": "string", "enum": list(ORDERINGS), "default": "-created_at"}),
        ]

    def _link(self, direction: str, row: models.Model) -> str:
        parts = urlsplit(self.request.build_absolute_uri())
        query = {**self.request.query_params.dict(), "cursor": _encode(direction, getattr(row, self.key))}
        return urlunsplit(parts._replace(query=urlencode(query)))


def _parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise BadParameter("limit", f"Give a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _ordering(text: str | None) -> bool:
    if text is None:
        return True
    if text not in ORDERINGS:
        raise BadParameter("ordering", f"Give one of {', '.join(ORDERINGS)}.")
    return ORDERINGS[text]


def _encode(direction: str, pk: UUID | int) -> str:
    return base64.urlsafe_b64encode(f"{direction}:{pk}".encode()).decode().rstrip("=")


def _decode(cursor: str | None, model: type[models.Model], key: str) -> tuple[bool, UUID | int | None]:
    """Return (is backwards, key of the row) of a cursor. Raises BadParameter for a text that `_encode` did not make."""
    if cursor is None:
        return False, None
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        direction, _, raw = text.partition(":")
        pk = UUID(raw) if key == "pk" and isinstance(model._meta.pk, models.UUIDField) else int(raw)
        if direction not in {"n", "p"} or _encode(direction, pk) != cursor:
            raise ValueError
    except (ValueError, binascii.Error):
        raise BadParameter("cursor", "Use a cursor from “next” or “previous” as it came.") from None
    return direction == "p", pk
