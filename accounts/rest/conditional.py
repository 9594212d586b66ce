"""ETag and If-Match: they prevent overwriting a change that the caller has not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.errors import PreconditionFailed

F = TypeVar("F", bound=Callable[..., Any])


class Editable(Protocol):
    @property
    def pk(self) -> UUID | int: ...
    @property
    def updated_at(self) -> datetime: ...


def etag_of(row: Editable) -> str:
    return etag_of_text(f"{row.pk}:{row.updated_at.isoformat()}")


def etag_of_text(state: str) -> str:
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'


def require_match(request: Request, row: Editable) -> None:
    """Raise PreconditionFailed unless `If-Match` is absent or names the row's present state.

    Call it while the row is locked.
    """
    require_etag(request, etag_of(row))


def require_etag(request: Request, present: str) -> None:
    """Raise PreconditionFailed unless `If-Match` is absent or names this ETag."""
    given = request.headers.get("If-Match")
    if given is not None and not {present, "*"} & set(parse_etags(given)):
        raise PreconditionFailed("Someone has changed this since you read it. Read it again, then send your change.")


def with_etag(response: Response, row: Editable) -> Response:
    response["ETag"] = etag_of(row)
    return response


def conditional(handler: F) -> F:
    """Mark a handler that honours `If-Match`, for the OpenAPI document."""
    handler.is_conditional = True  # type: ignore[attr-defined]
    return handler
