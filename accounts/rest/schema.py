"""OpenAPI schema class: adds to every operation its callers, headers and refusals."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from accounts.rest.serializers import ProblemSerializer, StrictSerializer

PROBLEM = "application/problem+json"
WORDS = {
    400: "A parameter, a header or the JSON itself does not fit.",
    401: "No valid key or session.",
    402: "The plan of the team does not allow one more.",
    403: "The key or the role does not include the scope.",
    404: "No such thing in this team, or `X-Team` names no team of the caller.",
    405: "There is no such method here.",
    406: "Only application/json can be sent back.",
    409: "It has changed meanwhile, or the Idempotency-Key is in use.",
    412: "If-Match names an older state.",
    413: "The body is too large.",
    415: "The body has a type that is not read here.",
    416: "`Range` names no byte of the file.",
    422: "Some of the input does not fit; `errors` says where.",
    429: "Too many calls; `Retry-After` says when to call again.",
    503: "A part that is needed does not answer; try again later.",
}
ALWAYS = (400, 401, 403, 406, 429, 503)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    OpenApiParameter.HEADER,
    description="The same key with the same body has one effect and one answer, for 24 hours.",
)
X_TEAM = OpenApiParameter(
    "X-Team",
    str,
    OpenApiParameter.HEADER,
    description="With a session or a JWT: the team's slug. A key has one team already.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the state that you change; another one answers 412.",
)


class DeskhandSchema(AutoSchema):
    """Schema class that adds the refusals and headers that follow from the base classes."""

    def get_description(self) -> str:  # type: ignore[override]
        """Return "", so that docstrings of base classes stay out of the document."""
        return ""

    def get_override_parameters(self) -> list[Any]:
        extra = [*super().get_override_parameters(), *([X_TEAM] if getattr(self.view, "takes_team", False) else [])]
        if self._handler_is("is_idempotent"):
            extra.append(IDEMPOTENCY_KEY)
        if self._handler_is("is_conditional"):
            extra.append(IF_MATCH)
        return extra

    def _get_request_body(self, direction: Any = "request") -> dict[str, Any] | None:
        """Add `required` to the body. It is true unless its input says that it does something useful without one."""
        body: dict[str, Any] | None = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body is not None:
            asked: Any = self.get_request_serializer()  # a dict names a shape for each media type
            shapes = asked.values() if isinstance(asked, dict) else (asked,)
            body["required"] = not any(map(_may_be_left_out, shapes))
        return body

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """Close the schema: inputs refuse unknown fields and responses have no others.

        Problems may have extra members.
        """
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        shape = serializer if isinstance(serializer, type) else type(serializer)
        if not issubclass(shape, ProblemSerializer):
            schema["additionalProperties"] = False
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status in self._refusals():
            if str(status) not in bodies:
                refusal = OpenApiResponse(ProblemSerializer, WORDS[status])
                bodies[str(status)] = self._get_response_for_code(  # type: ignore[no-untyped-call]
                    refusal, str(status), [PROBLEM], direction
                )
        return dict(sorted(bodies.items()))

    def _refusals(self) -> list[int]:
        statuses = {*ALWAYS}
        if "{" in self.path or self.method != "GET" or self.view.authentication_classes:
            statuses.add(404)  # without an id in the path: `X-Team` names a team that the caller is not in
        if self.method in {"POST", "PUT", "PATCH"}:
            statuses |= {402, 409, 413, 415, 422}
        if self.method == "DELETE":
            statuses.add(409)
        if self._handler_is("is_conditional"):
            statuses.add(412)
        return sorted(statuses | set(self._mark("refuses") or ()))

    def _handler_is(self, mark: str) -> bool:
        return bool(self._mark(mark))

    def _mark(self, mark: str) -> Any:
        name = getattr(self.view, "action", None) or self.method.lower()
        return getattr(getattr(self.view, name, None), mark, None)


def _may_be_left_out(shape: Any) -> bool:
    """Return True if the body may be absent. A body of bytes may: that is an empty file."""
    kind = shape if isinstance(shape, type) else type(shape)
    return not (issubclass(kind, StrictSerializer) and kind.needs_body)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.rest.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.rest.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "dh_<prefix>_<secret>"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.rest.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
