"""Base classes of the API views: one caller, one team, one scope for each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar, cast

from django.db.models import Model, QuerySet
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.errors import InvalidInput, NotFound
from accounts.models import Team, TeamScopedQuerySet, User
from accounts.rest.errors import UNKNOWN, BadParameter, check_parameters
from accounts.rest.serializers import StrictSerializer, checked, shown
from accounts.rest.throttles import AddressThrottle, count_stranger, put_rate_headers
from accounts.tenancy import Access

M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=Callable[..., Any])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOTHING_HERE = "This doesn’t exist, or you don’t have access to it."


def takes(*names: str) -> Callable[[F], F]:
    """Declare the query parameters that a handler reads. Others are refused; a list also takes those of its filters."""

    def mark(handler: F) -> F:
        handler.takes = frozenset(names)  # type: ignore[attr-defined]
        return handler

    return mark


def refuses(*statuses: int) -> Callable[[F], F]:
    """Declare statuses of a handler that its method does not imply, for the OpenAPI document."""

    def mark(handler: F) -> F:
        handler.refuses = frozenset(statuses)  # type: ignore[attr-defined]
        return handler

    return mark


def require_body(request: Request) -> None:
    """Raise InvalidInput for a request without a body.

    An empty object passes: its serializer names the missing fields.
    """
    if request.stream is None and not request.data:
        raise InvalidInput("Send a JSON object as the body.")


class RatedAPIView(APIView):
    """Base view with rate-limit headers, `Cache-Control: no-store` and refusal of unknown parameters."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_parameters(request.query_params)
        name = getattr(self, "action", None) or str(request.method).lower()
        handler = getattr(self, name, None)
        if handler is None or name == "list":  # the filter backend checks a list's parameters
            return
        for given in request.query_params:
            if given not in getattr(handler, "takes", ()):
                raise BadParameter(given[:60], UNKNOWN)

    def perform_authentication(self, request: Request) -> None:
        """Authenticate, and count failures against the caller's address."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            count_stranger(request)
            raise

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        if request.auth is None:
            count_stranger(request)
        super().permission_denied(request, message, code)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        put_rate_headers(request, finished)
        finished.setdefault("Cache-Control", "no-store")
        return finished


class OpenAPIView(RatedAPIView):
    """View for callers who are not signed in yet, limited by address."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (AddressThrottle,)
    http_method_names = ["post"]


class TeamAPIView(RatedAPIView):
    """View inside the caller's team. A scope of None allows every member."""

    read_scope: ClassVar[str | None]
    write_scope: ClassVar[str | None]
    action_scopes: ClassVar[Mapping[str, str | None]] = {}
    needs_team: ClassVar[bool] = True
    """True if a person who is in no team gets 404."""
    takes_team: ClassVar[bool] = True
    """True if the header `X-Team` chooses the team; else the URL does."""
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    @property
    def access(self) -> Access:
        return cast(Access, self.request.auth)

    @property
    def team(self) -> Team:
        return self.access.team

    @property
    def actor(self) -> User:
        return cast(User, self.request.user)

    def required_scope(self) -> str | None:
        action = getattr(self, "action", None)
        if action is not None and action in self.action_scopes:
            return self.action_scopes[action]
        return self.read_scope if self.request.method in SAFE_METHODS else self.write_scope


class TeamViewSet(TeamAPIView, GenericViewSet[Any]):
    """View set over rows of one team.

    Subclasses set `queryset`, `serializer_class` (the response) and the scopes, and call services for every change.
    """

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return super().get_queryset().none()
        return cast(TeamScopedQuerySet[Any], super().get_queryset()).visible_to(self.access)

    def get_object(self) -> Any:
        """Return the row that the URL names. List filters do not apply."""
        name = self.lookup_url_kwarg or self.lookup_field
        return find(self.get_queryset(), **{self.lookup_field: self.kwargs[name]})

    def show(self, row: Model, *, status: int = 200) -> Response:
        """Return the response for one row."""
        return Response(shown(self.get_serializer_class(), row), status=status)

    def read(self, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """Return the body, validated by an input serializer."""
        is_partial = self.request.method == "PATCH"
        if serializer.needs_body:
            require_body(self.request)
        return checked(serializer, self.request.data, context=self.get_serializer_context(), partial=is_partial)


class ListAndShow(TeamViewSet):
    """View set with `list` and `retrieve`."""

    def list(self, request: Request, **of: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([shown(self.get_serializer_class(), row) for row in page or ()])

    def retrieve(self, request: Request, **of: Any) -> Response:
        return self.show(self.get_object())


def find(rows: QuerySet[M], **lookup: Any) -> M:
    """Return the one row, or raise NotFound with the usual message."""
    row = rows.filter(**lookup).first()
    if row is None:
        raise NotFound(NOTHING_HERE)
    return row
