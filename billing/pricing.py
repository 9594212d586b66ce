"""Dated price list of model calls, and exact arithmetic over it.

A migration copies the list into the `Price` table, where an operator may add rows. It was read from the price table of
Anthropic's own command line client in November 2026; a five-minute cache write costs 1.25 times the input, an hour's
write twice the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

MILLION = Decimal(1_000_000)
MICRO_USD = Decimal("0.000001")
CACHE_WRITE = Decimal("1.25")
CACHE_WRITE_HOUR = Decimal(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Prices in USD per million tokens of each kind."""

    input_usd: Decimal
    output_usd: Decimal
    cache_read_usd: Decimal
    cache_write_usd: Decimal

    @property
    def cache_write_hour_usd(self) -> Decimal:
        return self.input_usd * CACHE_WRITE_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrice:
    """Price of a model from a day on. A call with more than `band_tokens` of input is charged at `band` as a whole."""

    model: str
    effective_from: date
    rate: Rate
    band_tokens: int | None = None
    band: Rate | None = None

    def rate_for(self, input_tokens: int) -> Rate:
        """Return the rate of a call with that many input tokens, cached ones included."""
        if self.band and self.band_tokens is not None and input_tokens > self.band_tokens:
            return self.band
        return self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token counts of one call. The total input is everything but the output."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    """Tokens written to the five-minute cache."""
    cache_write_hour: int = 0
    output: int = 0

    @property
    def total_input(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.cache_write_hour


def cost_usd(price: ListPrice, tokens: Tokens) -> Decimal:
    """Return the exact cost in USD, rounded half up to a millionth of a dollar."""
    rate = price.rate_for(tokens.total_input)
    whole = (
        tokens.input * rate.input_usd
        + tokens.cache_read * rate.cache_read_usd
        + tokens.cache_write * rate.cache_write_usd
        + tokens.cache_write_hour * rate.cache_write_hour_usd
        + tokens.output * rate.output_usd
    )
    return (whole / MILLION).quantize(MICRO_USD, rounding=ROUND_HALF_UP)


def in_force(prices: tuple[ListPrice, ...], model: str, on: date) -> ListPrice | None:
    """Return the newest price of the model on that day, or None.

    A name with a date at its end ("claude-haiku-4-5-20251001") has the price of the model without it, unless it has its
    own.
    """
    base = base_name(model)
    begun = [price for price in prices if price.model in (model, base) and price.effective_from <= on]
    return max(begun, key=lambda price: (price.model == model, price.effective_from), default=None)


def base_name(model: str) -> str:
    """Return the model's name without a date at its end."""
    return model[:-9] if model[-9:-8] == "-" and model[-8:].isdigit() else model


def _rate(input_usd: str, output_usd: str, cache_read_usd: str) -> Rate:
    return Rate(
        input_usd=Decimal(input_usd),
        output_usd=Decimal(output_usd),
        cache_read_usd=Decimal(cache_read_usd),
        cache_write_usd=Decimal(input_usd) * CACHE_WRITE,
    )


_START = date(2026, 1, 1)

PRICE_LIST = (
    ListPrice(model="claude-fable-5-2", effective_from=_START, rate=_rate("8", "40", "0.20")),
    ListPrice(model="claude-fable-5-1", effective_from=_START, rate=_rate("10", "50", "0.25")),
    ListPrice(model="claude-opus-5-5", effective_from=_START, rate=_rate("4", "20", "0.20")),
    ListPrice(model="claude-opus-5", effective_from=_START, rate=_rate("5", "25", "0.50")),
    ListPrice(model="claude-sonnet-5-5", effective_from=_START, rate=_rate("2", "10", "0.10")),
    ListPrice(model="claude-sonnet-5", effective_from=_START, rate=_rate("2", "10", "0.20")),
    ListPrice(
        model="claude-haiku-5-5",
        effective_from=_START,
        rate=_rate("0.10", "0.50", "0.01"),
        band_tokens=100_000,
        band=_rate("0.50", "2.50", "0.05"),
    ),
    ListPrice(model="claude-haiku-4-5", effective_from=_START, rate=_rate("1", "5", "0.10")),
)
