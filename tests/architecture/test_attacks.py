"""Agreement of docs/security.md with the tests of its attacks."""

from __future__ import annotations

from tests.architecture.attacks import CASES, cases, differences, table


def test_the_page_lists_every_case() -> None:
    assert table() == CASES


def test_every_case_is_sent_by_a_test() -> None:
    assert sorted(cases()) == CASES


def test_the_page_names_the_tests_that_there_are() -> None:
    assert differences() == []
