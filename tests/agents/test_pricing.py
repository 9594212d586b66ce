"""Prices are read from the table, survive its absence, and bound the cost of a call."""

from __future__ import annotations

import json
import random
from datetime import date
from decimal import Decimal

import pytest

from agents.pricing import PriceBook, most_input_tokens, worst_case_usd
from billing.models import Price
from billing.pricing import PRICE_LIST

DAY = date(2026, 11, 20)


@pytest.mark.django_db
def test_the_migration_copied_the_list() -> None:
    rows = {(row.model, row.effective_from): row for row in Price.objects.all()}

    assert {(price.model, price.effective_from) for price in PRICE_LIST} <= set(rows)
    for price in PRICE_LIST:
        row = rows[price.model, price.effective_from]
        assert (row.input_usd, row.output_usd) == (price.rate.input_usd, price.rate.output_usd)
        assert (row.cache_read_usd, row.cache_write_usd) == (price.rate.cache_read_usd, price.rate.cache_write_usd)
        assert row.band_tokens == price.band_tokens
        assert row.band_output_usd == (price.band.output_usd if price.band else None)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_an_operator_added_is_in_force_from_its_day() -> None:
    own = {"input_usd": 7, "output_usd": 8, "cache_read_usd": 1, "cache_write_usd": 9, "effective_from": DAY}
    Price.objects.all().delete()  # rows of the migrated list that another test left
    old = {
        "input_usd": 2,
        "output_usd": 10,
        "cache_read_usd": 1,
        "cache_write_usd": 9,
        "effective_from": date(2026, 1, 1),
    }
    Price.objects.create(model="claude-sonnet-5-5", **old)
    Price.objects.create(model="claude-sonnet-5-5", **own)
    book = PriceBook()

    before = book.price("claude-sonnet-5-5", date(2026, 11, 19))
    after = book.price("claude-sonnet-5-5", DAY)

    assert before is not None
    assert after is not None
    assert (before.rate.input_usd, after.rate.input_usd) == (Decimal(2), Decimal(7))


def test_the_list_in_the_code_holds_while_the_table_cannot_be_read() -> None:
    """No database mark: the query of the book's thread is refused."""
    price = PriceBook().price("claude-haiku-4-5", DAY)

    assert price is not None
    assert price.rate.output_usd == Decimal(5)


def test_an_unknown_model_is_reserved_at_the_dearest_price() -> None:
    worst = worst_case_usd(model="claude-unheard-of", system="", messages=[], tools=[], max_tokens=1_000_000)

    assert worst >= Decimal(50)


def test_the_worst_case_is_the_input_written_to_the_cache_and_all_of_the_output() -> None:
    messages = [{"role": "user", "content": "7" * 1000}]
    tokens = most_input_tokens(system="", messages=messages, tools=[])

    worst = worst_case_usd(model="claude-sonnet-5-5", system="", messages=messages, tools=[], max_tokens=2000)

    assert worst == (tokens * Decimal("2.5") + 2000 * Decimal(10)) / 1_000_000


def test_the_second_band_counts_as_soon_as_the_input_may_reach_it() -> None:
    messages = [{"role": "user", "content": "7" * 120_000}]

    worst = worst_case_usd(model="claude-haiku-5-5", system="", messages=messages, tools=[], max_tokens=1000)

    assert worst > Decimal("0.075")


@pytest.mark.parametrize(
    ("text", "true_tokens"),
    [
        # The densest possible text: each of these characters can be a token of its own, or more than one.
        ("0123456789" * 500, 5_000),
        ("{[(<;:,.!?>)]}" * 300, 4_200),
        ("\n\t " * 1000, 1_000),
        ("日本語の文章" * 300, 1_800 * 2),
        ("🙂🙃" * 300, 600 * 3),
        ("a b c d e " * 400, 2_000),
        ("The quick brown fox jumps over the lazy dog. " * 200, 2_000),
        ("".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz", k=6000)), 3_000),  # noqa: S311
    ],
)
def test_no_text_has_more_tokens_than_are_reserved(text: str, true_tokens: int) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": text}]}]

    assert most_input_tokens(system="", messages=messages, tools=[]) >= true_tokens
    assert most_input_tokens(system=text, messages=[], tools=[]) >= true_tokens
    assert most_input_tokens(system="", messages=[], tools=[{"description": text}]) >= true_tokens


def test_prose_is_reserved_at_no_more_than_two_thirds_of_its_bytes() -> None:
    prose = "Refunds come from faulty cameras and from locks that were lost in the post. " * 500

    assert most_input_tokens(system=prose, messages=[], tools=[]) < len(json.dumps(prose)) * 2 / 3 + 1300
