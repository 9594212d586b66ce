"""Demo analyst on the example tickets, with the real tools. Every number is computed again, without SQL."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from agents.runtimes.base import Stop
from agents.runtimes.demo import DemoRuntime
from tests.agents.demo_workspace import ANALYST, NO_CHART, REJECTED, DemoWorkspace
from tests.agents.playing import Play, request, text_of

TICKETS = Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "support-tickets.csv"
Row = Mapping[str, str]


@pytest.fixture
def tickets() -> list[Row]:
    with TICKETS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoWorkspace, Play]:
    """Complete run of the demo: a question, the answer `refunded`, and an approved e-mail."""
    workspace = DemoWorkspace(tmp_path_factory.mktemp("workspace"), person_says="refunded")
    workspace.attach(TICKETS)
    return workspace, workspace.work("What drives refunds?")


@pytest.fixture
def worked(finished: tuple[DemoWorkspace, Play]) -> Play:
    return finished[1]


@pytest.fixture
def made(finished: tuple[DemoWorkspace, Play]) -> DemoWorkspace:
    """Workspace after the complete run."""
    return finished[0]


def by(rows: Iterable[Row], *columns: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[" · ".join(row[column] for column in columns)].append(row)
    return groups


def section(report: str, title: str) -> list[list[str]]:
    """Return the rows of the table below a heading."""
    text = report.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def epsilon_squared(rows: Sequence[Row], column: str, measured: Callable[[Row], float]) -> float:
    """Return the share of variance that the groups explain, corrected for their number."""
    groups = by(rows, column).values()
    mean = statistics.fmean(map(measured, rows))
    total = sum((measured(row) - mean) ** 2 for row in rows)
    within = sum(
        sum((measured(row) - statistics.fmean(map(measured, group))) ** 2 for row in group) for group in groups
    )
    return 1 - within / total * (len(rows) - 1) / (len(rows) - len(groups))


def refunded(row: Row) -> float:
    return float(row["refunded"] == "true")


def usd(row: Row) -> float:
    return float(row["refund_usd"])


def test_it_asks_one_question_and_one_approval_and_delivers(worked: Play, made: DemoWorkspace) -> None:
    (asked,) = worked.used("ask_human")
    assert asked["choices"] == ["refunded", "refund_usd", "Decide for me"]
    (mail,) = worked.used("email_report")
    assert (mail["to"], mail["attachments"]) == ("ada@example.com", ["report.md", "chart.svg", "chart.png"])
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "chart.png", "chart.svg", "report.md", "support-tickets.csv",
    ]  # fmt: skip
    assert worked.turns[-1].stop is Stop.END_TURN
    assert not any(is_error for _, _, (_, is_error) in worked.calls)


def test_the_answer_stands_in_the_first_lines_and_says_who_made_it(worked: Play, made: DemoWorkspace) -> None:
    report = made.read("report.md")

    assert report.splitlines()[0] == "# What drives refunded in support-tickets.csv"
    assert "**Demo model.**" in report
    assert "**Asked:** What drives refunds?" in report
    assert report.index("## Answer") < 600
    assert report.split("## Answer\n\n")[1].split("\n")[0] in worked.last_text
    assert "demo model" in worked.last_text
    assert "](chart.svg)" in report
    assert "<svg" in made.read("chart.svg")


def test_the_share_of_all_rows_is_true(worked: Play, made: DemoWorkspace, tickets: list[Row]) -> None:
    count = sum(map(refunded, tickets))

    assert f"In {count:.0f} of {len(tickets)} rows ({count / len(tickets):.1%})" in made.read("report.md")


@pytest.mark.parametrize("column", ["category", "product"])
def test_the_tables_by_column_are_true(worked: Play, made: DemoWorkspace, tickets: list[Row], column: str) -> None:
    expected = [
        [name, f"{len(rows)}", f"{sum(map(refunded, rows)):.0f}", f"{statistics.fmean(map(refunded, rows)):.1%}"]
        for name, rows in by(tickets, column).items()
    ]

    found = section(made.read("report.md"), f"By `{column}`")

    assert sorted(found) == sorted(expected)
    shares = [float(row[3].rstrip("%")) for row in found]
    assert shares == sorted(shares, reverse=True)


def test_the_table_of_combinations_is_true(worked: Play, made: DemoWorkspace, tickets: list[Row]) -> None:
    pairs = {name: rows for name, rows in by(tickets, "category", "product").items() if len(rows) >= 6}
    highest = sorted(pairs.items(), key=lambda pair: -statistics.fmean(map(refunded, pair[1])))[:8]

    found = section(made.read("report.md"), "`category` and `product` together")

    assert found == [
        [name, f"{len(rows)}", f"{sum(map(refunded, rows)):.0f}", f"{statistics.fmean(map(refunded, rows)):.1%}"]
        for name, rows in highest
    ]
    assert found[0][0] == "Defect · Porch Cam"


def test_the_ranking_of_columns_is_true(worked: Play, made: DemoWorkspace, tickets: list[Row]) -> None:
    found = {row[0].strip("`"): row[2] for row in section(made.read("report.md"), "Which columns matter")}

    assert next(iter(found)) == "category"
    for column in ("category", "product", "priority", "channel", "country", "plan"):
        assert found[column] == f"{max(epsilon_squared(tickets, column, refunded), 0):.1%}"
    assert "refund_usd" not in found


def test_quartiles_of_numbers_are_counted_as_they_are_labelled(
    worked: Play, made: DemoWorkspace, tickets: list[Row]
) -> None:
    for label, rows, hits, _ in section(made.read("report.md"), "By `resolution_h`"):
        bounds = [float(number) for number in re.findall(r"[\d.]+", label)]
        low, high = (bounds[0], float("inf")) if label.startswith("over") else (0.0, bounds[-1])
        low = bounds[0] if len(bounds) == 2 else low
        inside = [row for row in tickets if low < float(row["resolution_h"]) <= high]
        assert (rows, hits) == (f"{len(inside)}", f"{sum(map(refunded, inside)):.0f}")


def test_the_chart_shows_the_numbers_of_the_report(worked: Play, made: DemoWorkspace) -> None:
    (chart,) = worked.used("draw_chart")
    table = section(made.read("report.md"), "`category` and `product` together")

    assert chart["labels"] == [f"{row[0]} ({row[1]})" for row in table]
    assert chart["series"][0]["values"] == [float(row[3].rstrip("%")) for row in table]


def test_a_number_is_measured_by_its_average(workspace: DemoWorkspace, tickets: list[Row]) -> None:
    """The prompt names the column, so the demo asks nothing."""
    workspace.attach(TICKETS)

    done = workspace.work("What drives refund_usd?")

    assert done.used("ask_human") == []
    expected = [[name, f"{len(rows)}", f"${statistics.fmean(map(usd, rows)):,.2f}"]
                for name, rows in by(tickets, "category").items()]  # fmt: skip
    report = workspace.read("report.md")
    assert sorted(section(report, "By `category`")) == sorted(expected)
    assert f"the average `refund_usd` is ${statistics.fmean(map(usd, tickets)):,.2f}" in report


def test_rows_without_a_value_are_left_out_and_counted(workspace: DemoWorkspace, tickets: list[Row]) -> None:
    workspace.attach(TICKETS)
    filled = [row for row in tickets if row["satisfaction"]]

    workspace.work("What is behind customer satisfaction?", tools=NO_CHART)

    mean = statistics.fmean(float(row["satisfaction"]) for row in filled)
    report = workspace.read("report.md")
    assert f"Over {len(filled)} rows the average `satisfaction` is {mean:,.2f}." in report
    assert f"{len(tickets) - len(filled)} rows have no `satisfaction`" in report


def test_a_person_who_leaves_the_choice_gets_the_default(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)

    workspace.work("What drives refunds?", tools=NO_CHART)

    assert "`refunded` is true (the choice was left to me)" in workspace.read("report.md")


def test_without_a_way_to_ask_it_decides_and_says_so(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)

    done = workspace.work("What drives refunds?", tools=[tool for tool in ANALYST if tool != "ask_human"])

    assert done.used("ask_human") == []
    assert "nobody could be asked" in workspace.read("report.md")


def test_a_declined_email_is_accepted(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)
    workspace.mail = REJECTED

    done = workspace.work("What drives refunds?", tools=NO_CHART)

    assert len(done.used("email_report")) == 1
    assert "The email was not sent" in done.last_text
    assert done.turns[-1].stop is Stop.END_TURN


def test_without_an_address_nothing_is_mailed(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)

    done = workspace.work("What drives refunds?", tools=NO_CHART, system="Write to boss@example.com only when asked.")

    assert done.used("email_report") == []


def test_it_remembers_one_fact_and_reports_progress(worked: Play, made: DemoWorkspace) -> None:
    assert len(made.memory.facts) == 1
    assert "the column to measure was `refunded`" in made.memory.facts[0]
    steps = [done for done, _, _ in made.reporter.progressed]
    assert steps == sorted(steps)
    assert made.reporter.progressed[-1][:2] == (6, 6)


def test_a_reviewer_gets_the_column_that_the_comment_names(workspace: DemoWorkspace, tickets: list[Row]) -> None:
    workspace.attach(TICKETS)

    comment = "The reviewer asks for changes: please break it down by country too"

    done = workspace.work("What drives refunded?", comment, tools=NO_CHART)

    report = workspace.read("report.md")
    assert "## Changes\n\n- Asked: “please break it down by country too” Added a table by `country`." in report
    assert len(section(report, "By `country`")) == len(by(tickets, "country"))
    assert len(done.used("email_report")) == 1


def test_a_reviewer_can_ask_for_another_measure(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)

    workspace.work("What drives refunded?", "The reviewer asks for changes: use refund_usd instead", tools=NO_CHART)

    report = workspace.read("report.md")
    assert report.startswith("# What drives refund\\_usd in")
    assert "Everything is now measured by `refund_usd`." in report


def test_a_comment_that_it_cannot_act_on_is_answered_honestly(workspace: DemoWorkspace) -> None:
    workspace.attach(TICKETS)

    workspace.work(
        "What drives refunded?",
        "The reviewer asks for changes: make it <b>shorter</b>",
        "And friendlier",
        tools=NO_CHART,
    )

    changes = workspace.read("report.md").split("## Changes")[1].split("##")[0]
    assert "make it \\<b\\>shorter\\</b\\>" in changes
    assert changes.count("could not act on the rest") == 2


def test_a_message_during_the_work_is_taken_in(worked: Play) -> None:
    """A person's message arrives while the question is open."""
    at = next(at for at, each in enumerate(worked.messages) if "Which column" in json.dumps(each["content"]))
    answered = worked.messages[at + 1]
    message = {
        "role": "user",
        "content": [*answered["content"], {"type": "text", "text": "Please show the plan as well."}],
    }
    asked = request(messages=[*worked.messages[: at + 1], message], tools=ANALYST)

    turn = asyncio.run(DemoRuntime().next_turn(asked, lambda piece: None))

    assert text_of(turn).startswith("I read your message: “Please show the plan as well.”")
