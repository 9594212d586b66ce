"""Questions that the demo analyst asks before it works, and its end if a table has no answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from agents.runtimes.base import Stop
from tests.agents.demo_workspace import NO_CHART, DemoWorkspace
from tests.agents.playing import Play

ALONE = tuple(tool for tool in NO_CHART if tool != "ask_human")


@pytest.fixture
def sales(workspace: DemoWorkspace) -> DemoWorkspace:
    """Table of 90 sales: the west sells most, no column holds a margin."""
    dice = random.Random(4)  # noqa: S311
    lines = ["region,product,sold_on,units,price_usd,discount_usd"]
    for number in range(90):
        region = ("North", "South", "West")[number % 3]
        units = dice.randrange(1, 9) + (20 if region == "West" else 0)
        day = f"2024-{1 + number // 30:02}-{1 + number % 28:02}"
        lines.append(f"{region},{'AB'[number % 2]},{day},{units},{10 + number % 7}.50,{number % 4}")
    workspace.write("sales.csv", "\n".join(lines) + "\n")
    return workspace


def failed(done: Play, workspace: DemoWorkspace) -> str:
    """Return the reason of work that ended without a result, and check that it left nothing behind."""
    assert done.turns[-1].stop is Stop.NO_RESULT
    assert not (workspace.folder / "report.md").exists()
    assert workspace.memory.facts == []
    assert not any(done.used(tool) for tool in ("write_file", "draw_chart", "email_report", "remember"))
    return done.last_text


def asked(done: Play) -> list[dict[str, Any]]:
    return [dict(arguments) for arguments in done.used("ask_human")]


def test_an_unknown_measure_is_never_replaced(sales: DemoWorkspace) -> None:
    sales.person_says = "Decide for me"

    reason = failed(done := sales.work("What drives the margin?", tools=NO_CHART), sales)

    (question,) = asked(done)
    assert question["choices"] == ["units", "price_usd", "discount_usd", "Stop here"]
    assert question["why"].startswith("No column is called “margin”.")
    assert reason == (
        "I stopped: No column is called “margin”. I do not put something else in its place without an answer."
    )


def test_an_unknown_measure_without_anybody_to_ask_is_refused(sales: DemoWorkspace) -> None:
    reason = failed(sales.work("Which region has the highest margin?", tools=ALONE), sales)

    assert reason.startswith(
        "I stopped: No column is called “margin”. Nobody could be asked. Columns: units, price_usd"
    )


@pytest.mark.parametrize(
    ("answer", "column"),
    [("price_usd", "price_usd"), ("the price in dollars", "price_usd"), ("please take the discount", "discount_usd")],
)
def test_an_answer_in_other_words_is_taken(sales: DemoWorkspace, answer: str, column: str) -> None:
    sales.person_says = answer

    done = sales.work("Which region has the highest margin?", tools=NO_CHART)

    assert len(asked(done)) == 1
    assert f"`{column}`" in done.last_text
    assert ", as answered" in sales.read("report.md")


def test_an_answer_that_names_nothing_is_refused_and_asked_again(sales: DemoWorkspace) -> None:
    sales.person_says = "the colour of the boxes"

    reason = failed(done := sales.work("What drives the margin?", tools=NO_CHART), sales)

    questions = asked(done)
    assert len(questions) == 3
    assert questions[1]["why"].startswith(
        "“the colour of the boxes” is no column of sales.csv that I could measure. No column is called “margin”."
    )
    assert reason == "I stopped: no answer told me what to work out of sales.csv."


def test_a_new_question_as_the_answer_is_worked_on(sales: DemoWorkspace) -> None:
    sales.person_says = "Which region has the most units?"

    done = sales.work("What drives the margin?", tools=NO_CHART)

    assert "The `region` with the highest total `units` is West" in done.last_text
    assert "then: Which region has the most units?" in sales.read("report.md").replace("\\", "")


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What will the units be next year?", "The demo model cannot look into the future."),
        ("Prognose für das nächste Jahr", "The demo model cannot look into the future."),
        ("Is the difference between the regions significant?", "The demo model cannot test for significance."),
        ("Write me a poem about the sales", "The demo model cannot write or translate texts."),
        ("Cluster the products", "The demo model cannot train or fit models."),
        ("Should we raise the price?", "The demo model cannot give advice."),
        ("Delete the duplicate rows", "The demo model cannot change data."),
    ],
)
def test_what_it_cannot_do_it_says_before_it_works(sales: DemoWorkspace, question: str, why: str) -> None:
    sales.person_says = "Stop here"

    reason = failed(done := sales.work(question, tools=NO_CHART), sales)

    (request,) = asked(done)
    assert request["why"] == why
    assert request["choices"][0] == "Which region has the highest average units?"
    assert reason == f"I stopped: {why} The answer was to stop."


def test_an_offer_is_worked_on(sales: DemoWorkspace) -> None:
    sales.person_says = "How did units change over time?"

    done = sales.work("What will the units be next year?", tools=NO_CHART)

    assert done.turns[-1].stop is Stop.END_TURN
    assert "`units`" in done.last_text


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Which region has the most returns?", "returns"),
        ("How many units were sold in Berlin?", "Berlin"),
        ("What is the average price of orders with vouchers?", "vouchers"),
        ("Wie viele Reklamationen gab es?", "Reklamationen"),
    ],
)
def test_a_word_that_may_change_the_answer_is_not_passed_over(sales: DemoWorkspace, question: str, word: str) -> None:
    sales.person_says = "Stop here"

    done = sales.work(question, tools=NO_CHART)

    failed(done, sales)
    assert f"“{word}”" in asked(done)[0]["question"] + asked(done)[0]["why"]


def test_a_person_may_leave_such_a_word_out(sales: DemoWorkspace) -> None:
    sales.person_says = "Leave “Berlin” out"

    done = sales.work("How many units were sold in Berlin?", tools=NO_CHART)

    assert "The total `units` is" in done.last_text
    assert "Nothing in the table stands for “Berlin”" in sales.read("report.md")


@pytest.mark.parametrize("tools", [NO_CHART, ALONE], ids=["asked", "alone"])
def test_a_filter_that_leaves_no_rows_is_no_answer(sales: DemoWorkspace, tools: Sequence[str]) -> None:
    sales.person_says = "Stop here"

    reason = failed(sales.work("What is the average price in 2031?", tools=tools), sales)

    assert reason.startswith("I stopped: no row of sales.csv fits, so there is nothing to work out.")


def test_a_header_that_names_no_columns_is_refused(workspace: DemoWorkspace) -> None:
    """Some files of scikit-learn begin with numbers of rows and features in place of names."""
    dice = random.Random(8)  # noqa: S311
    rows = "".join(f"{dice.random():.3f},{dice.random():.3f},{dice.random():.3f},{n % 2}\n" for n in range(60))
    workspace.write("cells.csv", "60,3,malignant,benign\n" + rows)

    reason = failed(workspace.work("What predicts benign?", tools=NO_CHART), workspace)

    assert reason.startswith(
        "I stopped: the first row of cells.csv does not name its columns (60, 3, malignant, benign"
    )


def test_a_month_is_compared_with_the_one_before(sales: DemoWorkspace) -> None:
    done = sales.work("Compare the month that ends on 2024-02-29 with the one before.", tools=NO_CHART)

    assert done.last_text.startswith(
        "The last month has 30 rows and the one before 30, +0.0% (2024-02-01 to 2024-02-28 against 2024-01-01 to "
    )
