"""Delimiter, titles and header: proofs in the first rows, and guesses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.tables.conftest import Ask

LAYOUTS = {
    "years of the World Bank, below its titles": (
        '"Data Source","World Development Indicators",\n\n"Last Updated Date","2024-01-01",\n\n'
        '"Country Name","Country Code","Indicator","1960","1961",\n"Aruba","ABW","Pop","54211","55438",\n',
        ["Country Name", "Country Code", "Indicator", "1960", "1961"],
        1,
        ["Skipped the first 4 rows above the header."],
    ),
    "days as names": (
        "Province,Country,Lat,1/22/20,1/23/20,1/24/20\n,Italy,43.0,0,1,2\n,Spain,40.0,0,3,9\n",
        ["Province", "Country", "Lat", "1/22/20", "1/23/20", "1/24/20"],
        2,
        [],
    ),
    "rows of years are data": (
        "North,2019,2020,2021\nSouth,2019,2020,2021\nWest,2019,2020,2021\n",
        ["column0", "column1", "column2", "column3"],
        3,
        [],
    ),
    "years alone": (
        "2019,2020,2021\n1,2,3\n4,5,6\n",
        ["2019", "2020", "2021"],
        2,
        ["Took the first row as names: 2019, 2020, 2021."],
    ),
    "one year": (
        "region,2019\nNorth,5\nSouth,7\n",
        ["region", "2019"],
        2,
        ["Took the first row as names, among them 2019."],
    ),
    "numbered columns": (
        ",0,1,2\n0,5,6,7\n1,8,9,9\n",
        ["column0", "0", "1", "2"],
        2,
        ["Took the first row as names: 0, 1, 2."],
    ),
    "names and numbers without a header": ("bob,1\nal,2\ncy,3\n", ["column0", "column1"], 3, []),
    "texts that occur again": (
        "bob,ny\nal,la\nbob,ny\nal,la\n",
        ["column0", "column1"],
        4,
        ["Found no header: values of the first row occur again below it."],
    ),
    "a title as wide as the table": (
        "Report 2024,,\n,,\nname,a,b\nx,1,2\n",
        ["name", "a", "b"],
        1,
        ["Skipped the first 2 rows above the header."],
    ),
    "a title in the second column": (
        ",Title\nname,v\na,1\nb,2\n",
        ["name", "v"],
        2,
        ["Skipped the first row above the header."],
    ),
    "a name that is missing at the end": ("name,\nbob,1\nal,2\n", ["name", "column1"], 2, []),
    "texts below a title": (
        "Report 2024\nname,city\nbob,ny\nal,la\n",
        ["name", "city"],
        2,
        ["Skipped the first row above the header."],
    ),
    "sentences with one comma each": (
        "comment\nGreat, thanks\nBad, slow\nOk, fine\n",
        ["comment"],
        3,
        ["Read as one column of text: each ',' is followed by a space."],
    ),
    "quoted sentences": ('text\n"Great, thanks"\n"Bad, slow, x"\n', ["text"], 2, []),
    "Excel's own first line": ("sep=;\na;b,c\n1;2,5\n", ["a", "b,c"], 1, ["Read decimal commas as numbers in: b,c."]),
    "a delimiter at the end of each line": ("a,b\n1,2,\n3,4,\n", ["a", "b"], 2, []),
    "a delimiter at the end of the header only": (
        "Series: X\n\nAdjusted\nid,Year,Value,\nX,1959,5.8\nX,1960,5.1\n",
        ["id", "Year", "Value"],
        2,
        ["Skipped the first 3 rows above the header."],
    ),
    "a title above rows without a header": (
        "569,30\n5,2,9,4,5,6\n2,3,4,5,6,8\n",
        [f"column{i}" for i in range(6)],
        2,
        ["Skipped the first row above the data, which has no header."],
    ),
    "columns between spaces": (
        '"name" n  share \n"A B"  1   0.5\nC 12 0.25\n',
        ["name", "n", "share"],
        2,
        ["Columns are separated by spaces."],
    ),
    "words between spaces": ("some words\nmore words\n", ["some words"], 1, []),
    "rows without values": ("a,b\n1,2\n,\n3,4\n", ["a", "b"], 3, []),
    "blank lines": ("a,b\n\n1,2\n\n\n3,4\n", ["a", "b"], 2, []),
    "names of several lines, and twice": ('"a\nb",X,x\n1,2,3\n', ["a b", "X", "x_1"], 1, []),
    "separators of lines that only Unicode has": ("id,note\n1,a\u2028b\n2,c\x85d\n", ["id", "note"], 2, []),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_the_layout_of_a_file(ask: Ask, workspace_dir: Path, case: str) -> None:
    content, columns, count, notes = LAYOUTS[case]
    (workspace_dir / "data.csv").write_text(content)

    answer = ask("FROM data")

    assert [column.name for column in answer.columns] == columns
    assert answer.row_count == count
    assert answer.notes == [f"data.csv: {note}" for note in notes]


ODD = "1 row has quotation marks that are not doubled or not closed and was read as it stands: "
QUOTES = {
    "never closed, before sound rows": (
        'a,b,c\n5,"abc,1\n6,"x, y",z\n7,"q",r\n',
        [[5, '"abc', "1"], [6, "x, y", "z"], [7, "q", "r"]],
        [f'{ODD}5,"abc,1'],
    ),
    "never closed and too short": (
        'a,b,c\n5,"abc\n6,"x, y",z\n',
        [[5, '"abc', None], [6, "x, y", "z"]],
        [f'{ODD}5,"abc', "1 of 2 rows have more or fewer fields than the others; gaps are NULL."],
    ),
    "not doubled, over two lines": (
        'a,b\nx,"line one\nhe said "hi" there"\ny,z\n',
        [["x", 'line one\nhe said "hi" there'], ["y", "z"]],
        [f'{ODD}x,"line one'],
    ),
    "inches": (
        'a,b\nx,5" pipe\ny,"6"" pipe"\n',
        [["x", '5" pipe'], ["y", '6" pipe']],
        [],
    ),
    "spaces beside quotation marks": ('a,b\nx, "p, q"\n"y" ,"z"\n', [["x", "p, q"], ["y", "z"]], []),
    "too long, over two lines": (
        'a,b\nx,"p\nq",r\ny,z\n',
        [["x", "p\nq", "r"], ["y", "z", None]],
        ["1 of 2 rows have more or fewer fields than the others; gaps are NULL."],
    ),
    "never closed at the end": ('a,b\nx,y\nz,"end\n', [["x", "y"], ["z", '"end']], [f'{ODD}z,"end']),
}


@pytest.mark.parametrize("case", QUOTES)
def test_a_row_with_wrong_quotation_marks_changes_no_other(ask: Ask, workspace_dir: Path, case: str) -> None:
    content, rows, notes = QUOTES[case]
    (workspace_dir / "data.csv").write_text(content)

    answer = ask("FROM data")

    assert answer.rows == rows
    assert answer.notes == [f"data.csv: {note}" for note in notes]


def test_one_bad_row_in_many_is_read_alone(ask: Ask, workspace_dir: Path) -> None:
    sound = [f'{i},"Name, {i}","line\none"\n' for i in range(3000)]
    (workspace_dir / "data.csv").write_text(
        "id,name,note\n" + "".join(sound[:1500]) + '9,"x "y" z",w\n' + "".join(sound[1500:])
    )

    counts = ask("SELECT count(*), count(DISTINCT id), count(*) FILTER (note = e'line\\none') FROM data")
    bad = ask("SELECT name FROM data WHERE note = 'w'")

    assert counts.rows == [[3001, 3000, 3000]]
    assert bad.rows == [['x "y" z']]


def test_uneven_rows_of_a_file_without_quotation_marks_are_noted(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n" + "1,2\n" * 1000 + "3\n4,5,6\n")

    answer = ask("SELECT count(*), sum(a), sum(b), sum(column2) FROM data")

    assert answer.rows == [[1002, 1007, 2005, 6]]
    assert answer.notes == ["data.csv: 2 of 1,002 rows have more or fewer fields than the others; gaps are NULL."]
