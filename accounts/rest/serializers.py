"""Base serializers of the API. Unknown fields are refused, never ignored."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.utils.datastructures import MultiValueDict
from rest_framework import serializers

Shape = type[serializers.BaseSerializer[Any]]


_built: dict[Shape, serializers.BaseSerializer[Any]] = {}


def shown(shape: Shape, row: Any) -> dict[str, Any]:
    """Return the row as the serializer `shape` represents it.

    The serializer is built once in a process: building costs more than using it, and representing a row does not
    change it.
    """
    serializer = _built.get(shape) or _built.setdefault(shape, shape())
    return cast(dict[str, Any], serializer.to_representation(row))


class _Inputs(threading.local):
    def __init__(self) -> None:
        self.built: dict[tuple[type[StrictSerializer], bool], StrictSerializer] = {}


_inputs = _Inputs()


def checked(
    shape: type[StrictSerializer], body: Any, *, context: Mapping[str, Any], partial: bool = False
) -> dict[str, Any]:
    """Return the validated body, or raise ValidationError.

    Each thread builds a serializer once: building costs more than using it.
    """
    serializer = _inputs.built.get((shape, partial))
    if serializer is None:
        serializer = _inputs.built[shape, partial] = shape(partial=partial)
    serializer.initial_data, serializer._context = body, context
    for of_the_last in ("_validated_data", "_errors"):
        serializer.__dict__.pop(of_the_last, None)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class StrictSerializer(serializers.Serializer[Any]):
    """Input of one operation. An unknown field is an error at that field."""

    needs_body: ClassVar[bool] = True
    """True if a request without a body is refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, MultiValueDict):
            repeated = [name for name, values in data.lists() if len(values) > 1]
            if repeated:
                message = serializers.ErrorDetail("Send it once: of several one would be lost.", code="repeated")
                raise serializers.ValidationError({name[:80]: [message] for name in repeated[:20]})
        if isinstance(data, dict):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                message = serializers.ErrorDetail("There is no such field.", code="unknown_field")
                raise serializers.ValidationError({name[:80]: [message] for name in unknown[:20]})
        return super().to_internal_value(data)


class EmptyInput(StrictSerializer):
    """Input without fields."""

    needs_body = False


class ProblemFieldSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Refusal of any kind (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = ProblemFieldSerializer(many=True)  # type: ignore[assignment]
