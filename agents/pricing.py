"""Current model prices, cached in memory, and the highest possible cost of a call."""

from __future__ import annotations

import json
import logging
import string
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeout
from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from django.db import DatabaseError, connection

from billing.models import Price
from billing.pricing import MICRO_USD, MILLION, PRICE_LIST, ListPrice, Rate, in_force

log = logging.getLogger(__name__)

KEEP_S = 60.0
FIRST_LOAD_S = 3.0
LETTERS = string.ascii_letters.encode()
TOKENS_PER_REQUEST = 1200
"""Tokens per request of the provider's own text about tools, which the request does not contain. An upper bound."""
TOKENS_PER_PART = 16


class PriceBook:
    """Cached rows of the `Price` table, at most a minute old.

    It is used on the event loop, where no query may run: a thread reads the rows, and only the very first caller waits
    for it. While the database is down, the last known prices apply, and before the first read those in the code.
    """

    def __init__(self) -> None:
        self._prices: tuple[ListPrice, ...] = PRICE_LIST
        self._asked_at = float("-inf")
        self._has_loaded = False
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prices")

    def price(self, model: str, on: date | None = None) -> ListPrice | None:
        """Return the model's price in force on the day (default: today), or None if it has none."""
        self._refresh()
        return in_force(self._prices, model, on or datetime.now(UTC).date())

    def highest(self) -> ListPrice:
        """Return the price of the most expensive model, for models that are not listed."""
        self._refresh()
        return max(self._prices, key=lambda price: price.rate.output_usd)

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() - self._asked_at < KEEP_S:
                return
            self._asked_at = time.monotonic()
            loading: Future[None] = self._thread.submit(self._load)
        if not self._has_loaded:
            try:
                loading.result(timeout=FIRST_LOAD_S)
            except WaitTimeout:
                log.warning("The prices did not load in time; the list in the code holds.")

    def _load(self) -> None:
        try:
            rows = tuple(_list_price(row) for row in Price.objects.all())
        except (DatabaseError, RuntimeError) as error:
            log.warning("The prices could not be read (%s); the last known ones hold.", error)
            return
        finally:
            connection.close()
        if rows:
            self._prices = rows
        self._has_loaded = True


BOOK = PriceBook()


def worst_case_usd(
    *, model: str, system: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any], max_tokens: int
) -> Decimal:
    """Return the highest possible cost of one call in USD: all input written to the cache, all output used."""
    price = BOOK.price(model) or BOOK.highest()
    tokens = most_input_tokens(system=system, messages=messages, tools=tools)
    rates = [price.rate, price.rate_for(tokens)]
    return max(_worst(rate, tokens, max_tokens) for rate in rates)


def most_input_tokens(*, system: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any]) -> int:
    """Return an upper bound of the input tokens that the provider will count.

    No tokenizer is public, so this is a bound: a token holds at least two letters of a word, and anything else (digits,
    signs, spaces, each byte of other scripts) may be a token of its own. English prose is overestimated about two and a
    half times; for tables of numbers and code the bound is tight.
    """
    content = most_tokens([system, messages, tools])
    return content + TOKENS_PER_PART * (len(messages) + len(tools)) + TOKENS_PER_REQUEST


def most_tokens(value: Any) -> int:
    """Return the bound of `most_input_tokens` for any JSON value."""
    text = json.dumps(value, ensure_ascii=False, default=str).encode(errors="surrogatepass")
    others = len(text.translate(None, LETTERS))
    return -(-(len(text) - others) // 2) + others


def _worst(rate: Rate, tokens: int, max_tokens: int) -> Decimal:
    dearest = max(rate.input_usd, rate.cache_write_usd)
    return ((tokens * dearest + max_tokens * rate.output_usd) / MILLION).quantize(MICRO_USD, rounding=ROUND_UP)


def _list_price(row: Price) -> ListPrice:
    rate = Rate(
        input_usd=row.input_usd,
        output_usd=row.output_usd,
        cache_read_usd=row.cache_read_usd,
        cache_write_usd=row.cache_write_usd,
    )
    band = None
    if row.band_tokens is not None:
        band = Rate(
            input_usd=_or(row.band_input_usd, rate.input_usd),
            output_usd=_or(row.band_output_usd, rate.output_usd),
            cache_read_usd=_or(row.band_cache_read_usd, rate.cache_read_usd),
            cache_write_usd=_or(row.band_cache_write_usd, rate.cache_write_usd),
        )
    return ListPrice(
        model=row.model, effective_from=row.effective_from, rate=rate, band_tokens=row.band_tokens, band=band
    )


def _or(value: Decimal | None, default: Decimal) -> Decimal:
    return default if value is None else value
