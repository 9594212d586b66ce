"""API endpoint of a run's receipt, from the usage ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from billing.models import UsageKind, UsageOutcome, UsageRecord
from tasks.api.shapes import RunUsageSerializer, badge_of
from tasks.models import Run


@extend_schema_serializer(component_name="ReceiptLine")
class ReceiptLineSerializer(serializers.ModelSerializer[UsageRecord]):
    kind = serializers.ChoiceField(choices=UsageKind.choices)
    outcome = serializers.ChoiceField(
        choices=UsageOutcome.choices, help_text="unknown: sent, never answered; an estimate that nobody pays."
    )
    is_estimate = serializers.BooleanField(help_text="The provider sent no count; tokens and cost are our estimate.")

    class Meta:
        model = UsageRecord
        fields = [
            *("at", "kind", "outcome", "model", "step_key", "input_tokens", "output_tokens", "cache_read_tokens"),
            *("cache_write_tokens", "cost_usd", "is_estimate"),
        ]
        read_only_fields = fields


@extend_schema_serializer(component_name="Receipt")
class ReceiptSerializer(serializers.Serializer[Any]):
    run = serializers.UUIDField()
    badge = serializers.CharField()
    total_usd = serializers.DecimalField(max_digits=14, decimal_places=6, help_text="What is paid.")
    usage = RunUsageSerializer()
    lines = ReceiptLineSerializer(many=True)


def receipt_of(run: Run) -> dict[str, Any]:
    lines = list(UsageRecord.objects.for_team(run.team).filter(run_id=run.pk).order_by("id"))
    charged = [line.cost_usd for line in lines if line.outcome == UsageOutcome.CHARGED]
    return {
        "run": run.pk,
        "badge": badge_of(run.version.runtime),
        "total_usd": sum(charged, Decimal(0)),
        "usage": run,
        "lines": lines,
    }
