"""API shapes of the comparison of two runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from accounts.rest.errors import BadParameter
from tasks.services.comparisons import Comparison

STATES = ("same", "result", "changed", "left", "right")


@extend_schema_serializer(component_name="ComparedLine")
class LineSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["same", "add", "del", "gap"])
    left = serializers.IntegerField(allow_null=True)
    right = serializers.IntegerField(allow_null=True)
    text = serializers.CharField()


@extend_schema_serializer(component_name="ComparedText")
class DifferenceSerializer(serializers.Serializer[Any]):
    """Difference of two texts. Without lines they are equal."""

    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    is_cut = serializers.BooleanField(help_text="Only the first 1,000 lines of each were compared.")
    lines = LineSerializer(many=True)


@extend_schema_serializer(component_name="ComparedFigure")
class FigureSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["count", "money", "seconds"])
    left = serializers.CharField(help_text="A decimal number; money in USD.")
    right = serializers.CharField()
    change = serializers.CharField()


@extend_schema_serializer(component_name="ComparedStepSide")
class StepSideSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    kind = serializers.CharField()
    tool = serializers.CharField()
    text = serializers.CharField()
    took_s = serializers.FloatField()
    is_failed = serializers.BooleanField()


@extend_schema_serializer(component_name="ComparedStep")
class StepPairSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=STATES, help_text="result: the same call with another result.")
    left = StepSideSerializer(allow_null=True)
    right = StepSideSerializer(allow_null=True)


@extend_schema_serializer(component_name="ComparedFileSide")
class FileSideSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    path = serializers.CharField()
    size = serializers.IntegerField(source="file.size")
    sha256 = serializers.CharField(source="file.sha256")


@extend_schema_serializer(component_name="ComparedFile")
class FilePairSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=STATES)
    left = FileSideSerializer(allow_null=True)
    right = FileSideSerializer(allow_null=True)


@extend_schema_serializer(component_name="ComparedSetting")
class SettingSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    left = serializers.CharField()
    right = serializers.CharField()


@extend_schema_serializer(component_name="Comparison")
class ComparisonSerializer(serializers.Serializer[Comparison]):
    left = serializers.UUIDField(source="left.pk")
    right = serializers.UUIDField(source="right.pk")
    is_live = serializers.BooleanField(help_text="One of them still works; this is how it stands now.")
    figures = FigureSerializer(many=True)
    output = DifferenceSerializer()
    prompt = DifferenceSerializer()
    instructions = DifferenceSerializer()
    steps = StepPairSerializer(many=True)
    steps_cut = serializers.BooleanField(help_text="Only the first 500 steps of each were compared.")
    files = FilePairSerializer(many=True)
    settings = SettingSerializer(many=True, help_text="Only what differs.")


def read_with(text: str | None) -> UUID:
    """Return the id in `?with=`. Raises BadParameter."""
    try:
        return UUID(text or "")
    except ValueError as error:
        raise BadParameter("with", "Name the other run by its id.") from error
