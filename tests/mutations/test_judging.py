"""Verdicts of mutations: a mutation is missed exactly when a test passes in spite of it."""

from __future__ import annotations

import pytest

from tests.mutations.__main__ import CAUGHT, MISSED, NOT_RUN, Outcome, judged, read_report

ONE, TWO = "tests/tasks/test_a.py::test_one", "tests/tasks/test_a.py::test_two"


def report(*cases: str) -> str:
    inside = "".join(cases)
    return f"<testsuites><testsuite>{inside}</testsuite></testsuites>"


def case(name: str, inside: str = "") -> str:
    return f'<testcase classname="tests.tasks.test_a" name="{name}">{inside}</testcase>'


@pytest.mark.parametrize(
    ("outcome", "verdict", "text"),
    [
        (Outcome(failed={ONE, TWO}), CAUGHT, "caught"),
        (Outcome(passed={TWO}, failed={ONE}), MISSED, f"NOT CAUGHT by {TWO}"),
        (Outcome(failed={ONE}, trouble="no room"), NOT_RUN, f"COULD NOT BE TRIED, twice: {TWO}: no room"),
        (Outcome(trouble="pytest ended with 2"), NOT_RUN, "COULD NOT BE TRIED, twice"),
        (Outcome(passed={TWO}, trouble="no room"), MISSED, f"NOT CAUGHT by {TWO}"),
    ],
)
def test_only_a_test_that_ran_can_miss(outcome: Outcome, verdict: str, text: str) -> None:
    judgement, words = judged({ONE, TWO}, outcome)

    assert judgement == verdict
    assert words.startswith(text)


def test_a_report_tells_failing_from_not_running() -> None:
    fails, breaks = '<failure message="no"/>', '<error message="the fixture broke"/>'
    text = report(
        case("test_one", fails), case("test_two", breaks), case("test_three[a]"), case("test_three[b]", fails)
    )

    outcome = read_report(text)

    assert outcome == Outcome(failed={ONE, "tests/tasks/test_a.py::test_three"}, trouble="the fixture broke")


def test_a_test_that_failed_and_broke_while_it_cleaned_up_has_failed() -> None:
    text = report(case("test_one", "<failure/>"), case("test_one", '<error message="the end"/>'), case("test_two"))

    assert read_report(text) == Outcome(passed={TWO}, failed={ONE})
