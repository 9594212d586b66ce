"""Receipt of a run, call by call, from the usage ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from billing.models import UsageOutcome, UsageRecord
from tasks.models import Run


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """Line of one call. A call whose response was lost is listed as free."""

    at: datetime
    what: str
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    cost_usd: Decimal
    is_free: bool
    is_estimate: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    lines: Sequence[ReceiptLine]
    total_usd: Decimal
    tokens_in: int
    tokens_out: int
    free_tries: int


def receipt(run: Run) -> Receipt:
    """Return the receipt with every ledger line of this run, oldest first."""
    records = UsageRecord.objects.for_team(run.team).filter(run_id=run.pk).order_by("at", "pk")
    lines = [_line(record) for record in records]
    charged = [line for line in lines if not line.is_free]
    return Receipt(
        lines=lines,
        total_usd=sum((line.cost_usd for line in charged), Decimal(0)),
        tokens_in=sum(line.tokens_in + line.tokens_cached for line in charged),
        tokens_out=sum(line.tokens_out for line in charged),
        free_tries=len(lines) - len(charged),
    )


def _line(record: UsageRecord) -> ReceiptLine:
    is_free = record.outcome != UsageOutcome.CHARGED
    return ReceiptLine(
        at=record.at,
        what=record.model or record.kind,
        tokens_in=record.input_tokens + record.cache_write_tokens,
        tokens_cached=record.cache_read_tokens,
        tokens_out=record.output_tokens,
        cost_usd=Decimal(0) if is_free else record.cost_usd,
        is_free=is_free,
        is_estimate=record.is_estimate and not is_free,
    )
