"""What bodies have in common: what is not known is refused, never ignored."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.utils.datastructures import MultiValueDict
from rest_framework import serializers

Shape = type[serializers.BaseSerializer[Any]]


_built: dict[Shape, serializers.BaseSerializer[Any]] = {}


def shown(shape: Shape, row: Any) -> dict[str, Any]:
    """The row in that shape. The serializer is built once for the process: that costs more than to show a row with it,
    and showing changes nothing in it.
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
    """The body, if that input allows it. A thread builds its fields once: that costs more than to use them."""
    serializer = _inputs.built.get((shape, partial))
    if serializer is None:
        serializer = _inputs.built[shape, partial] = shape(partial=partial)
    serializer.initial_data, serializer._context = body, context
    for of_the_last in ("_validated_data", "_errors"):
        serializer.__dict__.pop(of_the_last, None)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class StrictSerializer(serializers.Serializer[Any]):
    """The input of one operation. A field that it does not know is an error at that field."""

    needs_body: ClassVar[bool] = True
    """Whether a request without a body is refused."""

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
    """No fields."""

    needs_body = False


class ProblemFieldSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Every refusal, as RFC 9457 says."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = ProblemFieldSerializer(many=True)  # type: ignore[assignment]
