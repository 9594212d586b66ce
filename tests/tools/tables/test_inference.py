"""Types of text columns: inferred where every value fits, with a note where two readings do."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.tools.tables.conftest import Ask
from tools.tables import kinds

POINTS = "Read points as thousands separators in: v."
COMMAS = "Read commas as thousands separators in: v."
DECIMAL_COMMAS = "Read decimal commas as numbers in: v."
SWAP = "make_date(year(…), day(…), month(…)) swaps the two."
DAY_FIRST = f"Read dates as day/month in: v. All of them would fit month/day too; {SWAP}"
# Values of column v (and of w, if given), delimiter; type of v, its values, notes.
COLUMNS = {
    "thousands by a decimal comma elsewhere": (
        ";",
        ["1.234", "2.500"],
        ["1,5", "2,5"],
        "BIGINT",
        [1234, 2500],
        [POINTS, "Read decimal commas as numbers in: w."],
    ),
    "points by a decimal point elsewhere": (";", ["1.234", "2.500"], ["1.5", "2.25"], "DOUBLE", [1.234, 2.5], []),
    "points by a value of its own": (";", ["1.234", "2.5"], None, "DOUBLE", [1.234, 2.5], []),
    "points by a second group": (";", ["1.234", "1.234.567"], None, "BIGINT", [1234, 1234567], [POINTS]),
    "three decimals between commas": (
        ",",
        ["1.234", "2.500"],
        None,
        "DOUBLE",
        [1.234, 2.5],
        ["Read 1.234 as a decimal number, not as 1234, in: v."],
    ),
    "a comma and three digits": (
        ",",
        ["1,234", "2,500"],
        None,
        "BIGINT",
        [1234, 2500],
        ["Read 1,234 as 1234 in: v. If its commas are decimal commas, divide by 1000."],
    ),
    "a comma and three digits between semicolons": (
        ";",
        ["1,234", "2,500"],
        None,
        "DOUBLE",
        [1.234, 2.5],
        ["Read 1,234 as 1.234 in: v. If its commas separate thousands, multiply by 1000."],
    ),
    "decimal commas between commas": (",", ["1,5", "12,25"], None, "DOUBLE", [1.5, 12.25], [DECIMAL_COMMAS]),
    "both marks": (",", ["1,234.50", "7"], None, "DOUBLE", [1234.5, 7.0], [COMMAS]),
    "a mixture": (
        ";",
        ["1,5", "1.5"],
        None,
        "VARCHAR",
        ["1,5", "1.5"],
        ["v stays text: it mixes decimal points and decimal commas."],
    ),
    "spaces": (
        ",",
        ["1 234", "5"],
        None,
        "BIGINT",
        [1234, 5],
        ["Read spaces and apostrophes as thousands separators in: v."],
    ),
    "dollars": (
        ",",
        ["$1,234.50", "-$2", "($3.00)", "n/a"],
        None,
        "DOUBLE",
        [1234.5, -2.0, -3.0, None],
        [COMMAS, "Read amounts of money as numbers in: v ($).", "Read n/a as missing values in: v (1)."],
    ),
    "euros": (
        ";",
        ["12,50 €", "1.000,00 €"],
        None,
        "DOUBLE",
        [12.5, 1000.0],
        [DECIMAL_COMMAS, "Read amounts of money as numbers in: v (€)."],
    ),
    "two currencies": (
        ",",
        ["$5", "€5"],
        None,
        "VARCHAR",
        ["$5", "€5"],
        ["v stays text: it mixes the units $ and €."],
    ),
    "percentages": (
        ",",
        ["12 %", "5.5%"],
        None,
        "DOUBLE",
        [12.0, 5.5],
        ["Read percentages as numbers (12 % is 12) in: v."],
    ),
    "some percentages": (
        ",",
        ["12%", "5"],
        None,
        "VARCHAR",
        ["12%", "5"],
        ["v stays text: some of its values are percentages and some are not."],
    ),
    "exponents": (",", ["1e+05", "2.5E-3"], None, "DOUBLE", [100000.0, 0.0025], []),
    "exponents beside decimals": (",", ["1.5", "12E4"], None, "DOUBLE", [1.5, 120000.0], []),
    "identifiers with zeros": (",", ["007", "5"], None, "VARCHAR", ["007", "5"], []),
    "identifiers that are too long": (
        ",",
        ["12345678901234567890", "1"],
        None,
        "VARCHAR",
        ["12345678901234567890", "1"],
        [],
    ),
    "NaN and infinity": (
        ",",
        ["NaN", "1.5", "inf", "-Infinity"],
        None,
        "DOUBLE",
        [None, 1.5, "Infinity", "-Infinity"],
        ["Read NaN as missing values in: v (1)."],
    ),
    "one odd value": (
        ",",
        ["1", "2", "x"],
        None,
        "VARCHAR",
        ["1", "2", "x"],
        ["v stays text: 2 of its 3 values are numbers, but not 'x'. TRY_CAST(… AS DOUBLE) reads the others."],
    ),
    "words only": (",", ["-", "n/a"], None, "VARCHAR", ["-", "n/a"], []),
    "booleans": (
        ",",
        ["true", "FALSE", "unknown"],
        None,
        "BOOLEAN",
        [True, False, None],
        ["Read unknown as missing values in: v (1)."],
    ),
    "yes and no": (",", ["yes", "no", "Y", "T"], None, "VARCHAR", ["yes", "no", "Y", "T"], []),
    "clock times": (",", ["9:15", "10:30:05"], None, "TIME", ["09:15:00", "10:30:05"], []),
    "durations": (
        ",",
        ["10:30", "26:15"],
        None,
        "VARCHAR",
        ["10:30", "26:15"],
        ["v stays text: not every value is a valid time."],
    ),
    "days by a value of its own": (
        ",",
        ["01/02/2024", "13/04/2024"],
        None,
        "DATE",
        ["2024-02-01", "2024-04-13"],
        [],
    ),
    "months by another column": (
        ",",
        ["01/02/2024", "03/04/2024"],
        ["1/13/2024", "2/2/2024"],
        "DATE",
        ["2024-01-02", "2024-03-04"],
        [],
    ),
    "months by dollars": (
        ",",
        ["01/02/2024", "03/04/2024"],
        ["$5", "$6"],
        "DATE",
        ["2024-01-02", "2024-03-04"],
        [
            f"Read dates as month/day in: v. All of them would fit day/month too; {SWAP}",
            "Read amounts of money as numbers in: w ($).",
        ],
    ),
    "points are day first": (",", ["1.2.2024", "3.4.2024"], None, "DATE", ["2024-02-01", "2024-04-03"], []),
    "two digits of a year": (",", ["1/22/20", "1/23/69"], None, "DATE", ["2020-01-22", "1969-01-23"], []),
    "two orders": (
        ",",
        ["13/01/2024", "01/13/2024"],
        None,
        "VARCHAR",
        ["13/01/2024", "01/13/2024"],
        ["v stays text: some of its dates have the day first, others the month."],
    ),
    "no such day": (
        ",",
        ["31/02/2024", "1/1/2024"],
        None,
        "VARCHAR",
        ["31/02/2024", "1/1/2024"],
        ["v stays text: not every value is a valid date."],
    ),
    "half days": (
        ",",
        ["1/13/24 3:30 PM", "2/3/24 11:15 AM"],
        None,
        "TIMESTAMP",
        ["2024-01-13 15:30:00", "2024-02-03 11:15:00"],
        [],
    ),
    "names of months": (
        ",",
        ["Jan 5, 2024", "8 February 2024", "05-Mar-24", "Mon, 8 Apr 2024"],
        None,
        "DATE",
        ["2024-01-05", "2024-02-08", "2024-03-05", "2024-04-08"],
        [],
    ),
    "months without days": (
        ",",
        ["Jan 2024", "February 2024"],
        None,
        "DATE",
        ["2024-01-01", "2024-02-01"],
        ["Read months as their first day in: v."],
    ),
    "several ways to write a date": (
        ",",
        ["2024-01-05", "06/13/2024", "Jan 7, 2024"],
        None,
        "DATE",
        ["2024-01-05", "2024-06-13", "2024-01-07"],
        ["Dates are written in more than one way, and each was read by its own, in: v."],
    ),
    "other zones": (
        ",",
        ["2024-01-05T10:00:00Z", "2024-01-05 10:00:00 +02:00"],
        None,
        "TIMESTAMP WITH TIME ZONE",
        ["2024-01-05 10:00:00+00", "2024-01-05 08:00:00+00"],
        ["Times with a zone are shown in UTC in: v."],
    ),
    "some zones": (
        ",",
        ["2024-01-05T10:00:00Z", "2024-01-05 10:00:00"],
        None,
        "VARCHAR",
        ["2024-01-05T10:00:00Z", "2024-01-05 10:00:00"],
        ["v stays text: some of its times have a zone and some have none."],
    ),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_the_type_of_a_column(ask: Ask, workspace_dir: Path, case: str) -> None:
    delimiter, values, beside, kind, expected, notes = COLUMNS[case]
    with (workspace_dir / "data.csv").open("w", newline="") as file:
        rows = zip(values, beside or ["x"] * len(values), strict=True)
        csv.writer(file, delimiter=delimiter).writerows([("v", "w"), *rows])

    answer = ask("SELECT v FROM data")

    assert [column.type for column in answer.columns] == [kind]
    assert [row[0] for row in answer.rows] == expected
    assert answer.notes == [f"data.csv: {note}" for note in notes]


def test_a_value_far_below_the_first_rows_counts(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("v;w\n" + "1.234;5\n" * 5000 + "1,5;n/a\n")

    answer = ask("SELECT sum(v), sum(w) FROM data")

    assert answer.rows == [[5000 * 1234 + 1.5, 25000]]
    assert answer.notes == [
        "data.csv: Read decimal commas as numbers in: v.",
        "data.csv: Read n/a as missing values in: w (1).",
    ]


def test_a_total_at_the_end_is_noted(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("region,n\nNorth,1\nSouth,2\nTotal:,3\n")
    (workspace_dir / "words.csv").write_text("region,word\nNorth,x\nTotal,y\n")
    (workspace_dir / "first.csv").write_text("region,n\nTotal,3\nNorth,3\n")

    assert ask("FROM data").notes == [
        "data.csv: The last row looks like a total ('Total:'): leave it out of sums and counts."
    ]
    assert ask("FROM words").notes == ask("FROM first").notes == []


def test_the_same_note_is_one_sentence_for_all_columns(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text(";".join(f"v{i}" for i in range(12)) + "\n" + ";".join(["1,5"] * 12) + "\n")

    (note,) = ask("FROM data").notes

    assert note == "data.csv: Read decimal commas as numbers in: v0, v1, v2, v3, v4, v5, v6, v7 and 4 more."


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "1",
            "-5",
            "007",
            "1.234",
            "1.234.567",
            "1.5",
            ".5",
            "5.",
            "1e+05",
            "12E4",
            "1,234",
            "1,5",
            "x" * 100,
        ),
        *("1,234.50", "1.234,50", "1 234", "1'234.5", "inf", "TRUE", "NO", "2024-01-05", "2024.1.5", "n/a", "NULL"),
        *("2024-01-05T10:00Z", "1/2/2024", "1.2.24", "31-12-2024", "Jan 5, 2024", "05-Jan-24", "Mar 2024", "March"),
        *("10:30", "$1,234.50", "€ 12", "12 %", "(1,234)", "USD 12.50", "12 kg", "1-2", "555-1234", "abc", "A12"),
    ],
)
def test_python_and_sql_agree_on_the_kind_of_a_value(value: str) -> None:
    import duckdb

    found = duckdb.execute(f"SELECT {kinds.sql('trim(v)')} FROM (SELECT ? AS v)", [value]).fetchall()[0][0]  # noqa: S608

    assert ("empty" if found in (None, "null") else found) == kinds.kind(value)
