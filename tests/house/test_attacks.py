"""docs/security.md and the tests that send its attacks."""

from __future__ import annotations

from tests.house.attacks import CASES, cases, differences, table

WITHOUT_A_TEST = {4, 12, 15, 16, 18, 56, 58}
"""Cases that no test sends yet. It only gets shorter."""


def test_the_page_lists_every_case() -> None:
    assert table() == CASES


def test_every_case_is_sent_by_a_test() -> None:
    assert set(CASES) - set(cases()) <= WITHOUT_A_TEST
    assert set(cases()) <= set(CASES)


def test_the_page_names_the_tests_that_there_are() -> None:
    assert differences() == []
