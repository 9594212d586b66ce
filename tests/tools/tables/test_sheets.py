"""Cells of workbooks: displayed values, stored values, and formulas that were never calculated."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart

from tests.tools.tables.conftest import Ask


def save(path: Path, *rows: list[Any]) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_cells_have_their_own_types(ask: Ask, workspace_dir: Path) -> None:
    day = dt.datetime(2024, 1, 2)  # noqa: DTZ001 - Excel knows no zones
    save(
        workspace_dir / "data.xlsx",
        ["share", "time", "took", "code", "price", "day", "mark"],
        [0.125, dt.time(10, 30), dt.timedelta(hours=26, minutes=5), "007", 1.234, day, "#1!"],
        [0.5, dt.time(9, 5), dt.timedelta(minutes=90), "12E4", 2.5, day, "#N/A!"],
    )

    answer = ask("FROM data")

    assert [column.type for column in answer.columns] == [
        "DOUBLE",
        "TIME",
        "VARCHAR",
        "VARCHAR",
        "DOUBLE",
        "DATE",
        "VARCHAR",
    ]
    assert answer.rows == [
        [0.125, "10:30:00", "26:05:00", "007", 1.234, "2024-01-02", "#1!"],
        [0.5, "09:05:00", "1:30:00", "12E4", 2.5, "2024-01-02", "#N/A!"],
    ]


def test_years_are_names_in_a_workbook_too(ask: Ask, workspace_dir: Path) -> None:
    save(workspace_dir / "data.xlsx", ["region", 2019, 2020], ["North", 1, 2], ["South", 4, 6])

    assert [column.name for column in ask("FROM data").columns] == ["region", "2019", "2020"]


@pytest.mark.parametrize("error", ["#DIV/0!", "#REF!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!", "#N/A"])
def test_an_error_of_excel_is_null_by_its_type(ask: Ask, workspace_dir: Path, error: str) -> None:
    save(workspace_dir / "data.xlsx", ["n"], [1], [error], [error])

    answer = ask("FROM data")

    assert answer.rows == [[1], [None], [None]]
    assert answer.notes == [f"data.xlsx: 2 cells hold Excel errors ({error}) and are NULL."]


def calculated(path: Path, value: str) -> None:
    """Give every formula of the workbook a stored value, as a spreadsheet program does."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = re.sub(rb"<v ?/>|<v></v>", f"<v>{value}</v>".encode(), parts[sheet])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_a_calculated_formula_is_its_value(ask: Ask, workspace_dir: Path) -> None:
    save(workspace_dir / "data.xlsx", ["a", "b"], [1, "=A2*2"], [2, "=A3*2"])
    calculated(workspace_dir / "data.xlsx", "42")

    answer = ask("FROM data")

    assert answer.rows == [[1, 42], [2, 42]]
    assert answer.notes == []


def test_only_the_formulas_without_a_value_are_counted(ask: Ask, workspace_dir: Path) -> None:
    save(workspace_dir / "data.xlsx", ["a", "b", "c"], [1, None, "=A2"], [2, "x", 5])

    answer = ask("FROM data")

    assert answer.rows == [[1, None, None], [2, "x", 5]]
    assert answer.notes == [
        "data.xlsx: 1 formula was never calculated and is NULL, in: c. Open the workbook in Excel or LibreOffice, save "
        "it and attach it again."
    ]


def test_a_sheet_that_is_a_chart_is_no_table(ask: Ask, workspace_dir: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["n"])
    book.active.append([7])
    book.create_chartsheet("Picture").add_chart(BarChart())
    book.save(workspace_dir / "data.xlsx")

    assert ask("SHOW TABLES").rows == [["data"]]
    assert ask("FROM data").rows == [[7]]


def test_a_text_that_may_be_a_thousand_is_noted(ask: Ask, workspace_dir: Path) -> None:
    save(workspace_dir / "texts.xlsx", ["n"], ["1.234"], ["2.500"])
    save(workspace_dir / "numbers.xlsx", ["n"], [1.234], [2.625])
    (workspace_dir / "lines.jsonl").write_text('{"n": "1.234", "m": 1.234}\n')

    texts, numbers, lines = ask("FROM texts"), ask("FROM numbers"), ask("FROM lines")

    assert texts.rows == [[1.234], [2.5]]
    assert texts.notes == ["texts.xlsx: Read 1.234 as a decimal number, not as 1234, in: n."]
    assert (numbers.rows, numbers.notes) == ([[1.234], [2.625]], [])
    assert lines.notes == ["lines.jsonl: Read 1.234 as a decimal number, not as 1234, in: n."]
