"""Arithmetic of model prices, checked against figures computed by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.pricing import PRICE_LIST, ListPrice, Rate, Tokens, cost_usd, in_force

TODAY = date(2026, 11, 20)


def listed(model: str) -> ListPrice:
    price = in_force(PRICE_LIST, model, TODAY)
    assert price is not None
    return price


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-fable-5-2", ("8", "40", "0.20", "10", "16")),
        ("claude-fable-5-1", ("10", "50", "0.25", "12.5", "20")),
        ("claude-opus-5-5", ("4", "20", "0.20", "5", "8")),
        ("claude-opus-5", ("5", "25", "0.50", "6.25", "10")),
        ("claude-sonnet-5-5", ("2", "10", "0.10", "2.5", "4")),
        ("claude-sonnet-5", ("2", "10", "0.20", "2.5", "4")),
        ("claude-haiku-5-5", ("0.10", "0.50", "0.01", "0.125", "0.20")),
        ("claude-haiku-4-5", ("1", "5", "0.10", "1.25", "2")),
    ],
)
def test_a_million_tokens_of_each_kind(model: str, expected: tuple[str, ...]) -> None:
    rate = listed(model).rate

    found = (rate.input_usd, rate.output_usd, rate.cache_read_usd, rate.cache_write_usd, rate.cache_write_hour_usd)

    assert found == tuple(map(Decimal, expected))


def test_a_call_is_the_exact_sum_of_its_parts() -> None:
    tokens = Tokens(input=1_234, cache_read=50_000, cache_write=3_210, cache_write_hour=100, output=777)

    # 0.002468 + 0.005 + 0.008025 + 0.0004 + 0.00777
    assert cost_usd(listed("claude-sonnet-5-5"), tokens) == Decimal("0.023663")


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (Tokens(input=5), "0.000001"),  # 0.0000005
        (Tokens(input=4), "0.000000"),  # 0.0000004
        (Tokens(input=15), "0.000002"),  # 0.0000015
        (Tokens(), "0.000000"),
    ],
)
def test_halves_of_a_millionth_are_rounded_up(tokens: Tokens, expected: str) -> None:
    assert cost_usd(listed("claude-haiku-5-5"), tokens) == Decimal(expected)


def test_a_long_prompt_costs_the_second_band_as_a_whole() -> None:
    haiku = listed("claude-haiku-5-5")

    at_the_edge = cost_usd(haiku, Tokens(input=40_000, cache_read=60_000, output=1_000))
    past_it = cost_usd(haiku, Tokens(input=40_001, cache_read=60_000, output=1_000))

    assert at_the_edge == Decimal("0.005100")  # 0.004 + 0.0006 + 0.0005
    assert past_it == Decimal("0.025501")  # 0.0200005 + 0.003 + 0.0025


def test_the_newest_price_that_has_begun_is_in_force() -> None:
    old, new = (Rate(input_usd=Decimal(n), output_usd=Decimal(n), cache_read_usd=Decimal(n), cache_write_usd=Decimal(n))
                for n in (1, 2))  # fmt: skip
    prices = (
        ListPrice(model="m", effective_from=date(2026, 6, 1), rate=new),
        ListPrice(model="m", effective_from=date(2026, 1, 1), rate=old),
    )

    found = [in_force(prices, "m", day) for day in (date(2025, 12, 31), date(2026, 5, 31), date(2026, 6, 1))]

    assert [price and price.rate for price in found] == [None, old, new]


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("claude-haiku-4-5-20251001", True),
        ("claude-haiku-4-5", True),
        ("claude-haiku-4", False),
        ("claude-haiku-4-5-latest", False),
        ("", False),
    ],
)
def test_a_dated_name_is_the_model_without_the_date(model: str, known: bool) -> None:
    assert (in_force(PRICE_LIST, model, TODAY) is not None) is known


# No deadline: a busy machine may draw examples slowly.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(Tokens, **{name: st.integers(0, 2_000_000) for name in ("input", "cache_read", "output")}))
def test_costs_have_six_digits_and_are_never_negative(tokens: Tokens) -> None:
    for price in PRICE_LIST:
        cost = cost_usd(price, tokens)
        assert cost >= 0
        assert cost.as_tuple().exponent == -6
