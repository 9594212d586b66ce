"""Inputs of the demo: it works on any attachment or explains in one sentence why not.

It never invents a number.
"""

from __future__ import annotations

import csv
import random
import statistics
from pathlib import Path

import pytest

from agents.runtimes.base import Stop
from tests.agents.demo_workspace import ANALYST, NO_CHART, WRITER, DemoWorkspace
from tests.agents.playing import Play

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "docs" / "examples"


def ended_without_a_report(done: Play, workspace: DemoWorkspace) -> str:
    assert done.turns[-1].stop is Stop.NO_RESULT
    assert not (workspace.folder / "report.md").exists()
    assert not any(done.used(tool) for tool in ("write_file", "draw_chart", "email_report", "remember"))
    return done.last_text


def test_no_file(workspace: DemoWorkspace) -> None:
    reason = ended_without_a_report(workspace.work("What drives refunds?"), workspace)

    assert reason.startswith("I could not start: this run has no table.")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"a,b,c\n", "no rows"),
        (bytes(range(256)) * 40, "binary data"),
        (b"a,b\n" + b"1,x\n" * 20, "has nothing to compare"),
        (b"id,comment\n" + b"".join(b"%d,words %d and more\n" % (n, n) for n in range(50)), "has nothing to compare"),
    ],
    ids=["empty", "header", "garbage", "constant", "texts"],
)
def test_files_that_hold_nothing_to_measure(workspace: DemoWorkspace, content: bytes, expected: str) -> None:
    workspace.write("data.csv", content)

    reason = ended_without_a_report(workspace.work("What drives the result?"), workspace)

    assert reason.startswith("I stopped")
    assert expected in reason
    assert len(reason) < 300


def test_semicolons_quotes_a_byte_order_mark_and_decimal_commas(workspace: DemoWorkspace) -> None:
    dice = random.Random(3)  # noqa: S311
    rows = [(dice.choice(["Süd", "Nord; West"]), dice.choice(['Tisch "XL"', "Stuhl"]), dice.randrange(99_999))
            for _ in range(300)]  # fmt: skip
    lines = ['Region;Produkt;"Umsatz"'] + [
        f'"{region}";"{product.replace(chr(34), chr(34) * 2)}";{cents // 100},{cents % 100:02d}'
        for region, product, cents in rows
    ]
    workspace.write("umsatz.csv", "\ufeff" + "\r\n".join(lines) + "\r\n")

    workspace.work("Was treibt den Umsatz?")

    report = workspace.read("report.md")
    assert f"Over 300 rows the average `Umsatz` is {statistics.fmean(row[2] / 100 for row in rows):,.2f}." in report
    assert "Nord; West" in report


def test_only_numbers_are_grouped_by_quartile(workspace: DemoWorkspace) -> None:
    dice = random.Random(5)  # noqa: S311
    xs = [dice.randrange(1_000_000) for _ in range(400)]
    workspace.write(
        "n.csv", "row_id,x,y\n" + "".join(f"{n},{x},{2 * x + dice.random():.4f}\n" for n, x in enumerate(xs))
    )

    workspace.work("What drives y?")

    report = workspace.read("report.md")
    assert "## By `x`" in report
    assert report.count("| over ") == 1
    assert "row_id" not in report


def test_yes_and_no_in_another_language_is_a_flag(workspace: DemoWorkspace) -> None:
    rows = "".join(f"{'A' if n % 4 else 'B'},{'ja' if n % 8 == 0 else 'nein'}\n" for n in range(80))
    workspace.write("b.csv", "Gruppe,Bestellt\n" + rows)

    done = workspace.work("Was bestimmt, ob bestellt wird?")

    assert done.used("ask_human") == []
    assert "In 10 of 80 rows (12.5%) `Bestellt` is ja." in done.last_text
    assert "B has 50.0% (10 of 20), A 0.0% (0 of 60)" in done.last_text


def test_only_categories_are_counted(workspace: DemoWorkspace) -> None:
    workspace.write("c.csv", "colour,size\n" + "red,S\n" * 30 + "blue,M\n" * 20 + "green,L\n" * 10)

    done = workspace.work("What is in here?")

    assert "The largest group by `colour` is red: 30 (50.0%)." in done.last_text


def test_noise_is_called_noise(workspace: DemoWorkspace) -> None:
    dice = random.Random(11)  # noqa: S311
    workspace.write("r.csv", "group,hit\n" + "".join(f"{dice.choice('abcd')},{n % 2}\n" for n in range(600)))

    done = workspace.work("What drives hit?")

    assert "No column here makes much of a difference" in done.last_text


def test_hostile_names_and_values_stay_text(workspace: DemoWorkspace) -> None:
    dice = random.Random(7)  # noqa: S311
    values = ["![x](http://evil.example/?d=1)", "a | b", "line\nbreak", '=HYPERLINK("x")', "\\back\\", "<b>bold</b>"]
    with (workspace.folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(['a"b; DROP', "`tick` | <i>", "_measured", "value"])
        for _ in range(120):
            value = dice.choice(values)
            writer.writerow([value, dice.choice(["[l](javascript:1)", "__x__"]), 1, 5 + len(value)])

    done = workspace.work("What drives value?")

    assert not any(is_error for _, _, (_, is_error) in done.calls)
    report = workspace.read("report.md")
    tables = [line for line in report.splitlines() if line.startswith("|")]
    assert "\\!\\[x\\](http://evil.example/?d=1)" in report
    assert "](http" not in report.replace("\\](", "")
    assert "<b>" not in report
    assert {line.replace("\\|", "").count("|") for line in tables} <= {4, 5}


def test_several_tables_one_named(workspace: DemoWorkspace) -> None:
    workspace.write("first.csv", "g,v\na,1\nb,2\n")
    workspace.write("second.csv", "g,v\n" + "a,1\nb,2\n" * 20)

    workspace.work("What drives v in second.csv?")

    report = workspace.read("report.md")
    assert "**File:** second.csv, 40 rows" in report
    assert "2 tables came with the run" in report


def test_every_column_of_a_wide_table_counts(workspace: DemoWorkspace) -> None:
    dice = random.Random(13)  # noqa: S311
    names = [*(f"feature_{n}" for n in range(192)), "target"]
    lines = []
    for _ in range(120):
        values = [dice.gauss(0, 1) for _ in range(192)]
        lines.append(",".join(f"{value:.3f}" for value in [*values, 3 * values[171]]))
    workspace.write("wide.csv", "\n".join([",".join(names), *lines]) + "\n")

    done = workspace.work("What drives target?", tools=NO_CHART)

    assert "`feature_171` makes the largest difference" in done.last_text
    assert "The strongest 8 of 192 columns; all of them were compared." in workspace.read("report.md")


def test_a_tool_that_fails_once_is_tried_again(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "support-tickets.csv")
    workspace.broken = {"query_table": 1, "write_file": 1}

    workspace.work("What drives refunded?")

    assert "In 122 of 640 rows" in workspace.read("report.md")


def test_a_tool_that_keeps_failing_ends_the_work_with_its_reason(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "support-tickets.csv")
    workspace.broken = {"query_table": 99}

    reason = ended_without_a_report(workspace.work("What drives refunded?"), workspace)

    assert reason == "I stopped: query_table is not available."


def test_a_chart_that_fails_is_a_caveat(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "support-tickets.csv")
    workspace.broken = {"draw_chart": 99}

    done = workspace.work("What drives refunded?")

    assert "The chart could not be drawn: draw_chart is not available." in workspace.read("report.md")
    assert "Files: report.md." in done.last_text


def test_after_a_stop_a_person_can_say_more(workspace: DemoWorkspace) -> None:
    done = workspace.work("What drives refunds?", "Please try again")

    assert [turn.stop for turn in done.turns].count(Stop.NO_RESULT) == 2


def test_text_goes_to_the_other_script(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "supplier-notes.md")

    done = workspace.work("Which supplier delivers late, and with which penalty?", tools=ANALYST)

    draft = workspace.read("draft.md")
    assert "penalty of 2% for each late day" in draft
    assert "template work" in done.last_text


def test_a_draft_is_made_of_the_input_and_says_so(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "launch-notes.md")

    done = workspace.work("Turn the attached notes into a launch post about shared calendars", tools=WRITER)

    draft, source = workspace.read("draft.md"), " ".join((EXAMPLES / "launch-notes.md").read_text().split())
    assert "**Demo model.**" in draft
    picked = [line[2:].replace("\\", "") for line in draft.split("## From")[1].split("##")[0].splitlines()
              if line.startswith("- ")]  # fmt: skip
    assert 1 <= len(picked) <= 6
    assert all(sentence in source for sentence in picked)
    assert done.used("ask_human") == []


def test_a_short_request_is_asked_about(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "launch-notes.md")
    workspace.person_says = "A welcome letter for new members"

    done = workspace.work("Write something", tools=WRITER)

    assert len(done.used("ask_human")) == 1
    assert "A welcome letter for new members" in workspace.read("draft.md")


def test_without_any_text_it_asks_for_one_and_works_on_what_is_pasted(workspace: DemoWorkspace) -> None:
    workspace.person_says = "We open at eight in the morning on weekdays. On Sundays the shop stays closed."

    done = workspace.work("Write down the opening hours we agreed on", tools=WRITER)

    assert [asked["question"] for asked in done.used("ask_human")] == ["Which text should I work on? Paste it here."]
    assert "- On Sundays the shop stays closed." in workspace.read("draft.md")
    assert done.turns[-1].stop is Stop.END_TURN


@pytest.mark.parametrize("tools", [WRITER, [tool for tool in WRITER if tool != "ask_human"]], ids=["asked", "alone"])
def test_without_any_text_nothing_is_drafted(workspace: DemoWorkspace, tools: list[str]) -> None:
    workspace.person_says = "No"

    done = workspace.work("Write a welcome letter for new members", tools=tools)

    assert done.turns[-1].stop is Stop.NO_RESULT
    assert done.last_text.startswith("I stopped: The demo model only sets out sentences of a text that it is given")
    assert list(workspace.folder.iterdir()) == []


def test_a_text_inside_the_prompt_is_worked_on(workspace: DemoWorkspace) -> None:
    prompt = (
        "Summarise this for the team. The new warehouse in Kiel opens in March with forty people. Orders from the "
        "north will be sent from there. Returns still go to Hamburg until the end of the year."
    )

    done = workspace.work(prompt, tools=WRITER)

    assert "## From the request" in workspace.read("draft.md")
    assert done.used("ask_human") == []


def test_a_draft_is_revised(workspace: DemoWorkspace) -> None:
    workspace.attach(EXAMPLES / "launch-notes.md")

    done = workspace.work(
        "Turn the attached notes into a post", "The reviewer asks for changes: say more about privacy", tools=WRITER
    )

    assert "- Asked: say more about privacy" in workspace.read("draft.md")
    assert "Frankfurt" in workspace.read("draft.md")
    assert "say more about privacy" in done.last_text
