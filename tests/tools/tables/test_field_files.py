"""Files that are often misread. Each gives the right values, and a note where a reading is a guess."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tools.tables.conftest import Ask
from tools.errors import ToolFailed

FIELD = Path(__file__).parents[2] / "data/field"
SAVE_AS_UTF8 = "because it is not UTF-8. If names look wrong, save it as UTF-8."
FILES = {
    "zulu.csv": (
        ["id BIGINT", "created_at TIMESTAMP WITH TIME ZONE", "amt BIGINT"],
        [[1, "2024-03-31 01:30:00+00", 5], [2, "2024-04-01 10:00:00+00", 7]],
        [],
    ),
    "years-header.csv": (
        ["region VARCHAR", "2019 BIGINT", "2020 BIGINT", "2021 BIGINT"],
        [["North", 1, 2, 3], ["South", 4, 5, 6]],
        [],
    ),
    "thousands-dots.csv": (
        ["region VARCHAR", "umsatz BIGINT", "anzahl BIGINT"],
        [["Nord", 1234, 12], ["Süd", 2500, 7], ["West", 12750, 3]],
        ["Read 1.234 as 1234 in: umsatz. If its points are decimal points, divide by 1000."],
    ),
    "one-bad-quote.csv": (
        ["id BIGINT", "name VARCHAR", "note VARCHAR"],
        [
            [1, "Smith, J", "line one\nline two"],
            [2, 'He said "hi" ok', "x"],
            [3, "Doe, A", "a, b"],
            [4, "plain", "c, d"],
        ],
        [
            "1 row has quotation marks that are not doubled or not closed and was read as it stands: "
            '2,"He said "hi" ok",x'
        ],
    ),
    "gbk.csv": (["地区 VARCHAR", "销售额 BIGINT"], [["北京", 100], ["上海", 200]], [f"Read as GBK, {SAVE_AS_UTF8}"]),
    "cp1251.csv": (
        ["город VARCHAR", "сумма BIGINT"],
        [["Москва", 10], ["Казань", 20]],
        [f"Read as Windows-1251, {SAVE_AS_UTF8}"],
    ),
    "shift-jis.csv": (
        ["商品 VARCHAR", "数量 BIGINT"],
        [["りんご", 3], ["みかん", 5]],
        [f"Read as Shift JIS, {SAVE_AS_UTF8}"],
    ),
    "utf8-with-one-latin1-row.csv": (
        ["name VARCHAR", "n BIGINT"],
        [["Zoë", 1], ["José", 2], ["Müller", 3], ["北京", 4]],
        ["1 line is not UTF-8 (the first is line 4) and read as Windows-1252."],
    ),
    "one-column-index.csv": (["column0 BIGINT", "v BIGINT"], [[0, 10], [1, 20], [2, 30]], []),
    "ambiguous-dates.csv": (
        ["d DATE", "v BIGINT"],
        [["2024-02-01", 1], ["2024-04-03", 2], ["2024-06-05", 3]],
        [
            "Read dates as day/month in: d. All of them would fit month/day too; make_date(year(…), day(…), month(…)) "
            "swaps the two."
        ],
    ),
    "free-text-one-column.csv": (
        ["comment VARCHAR"],
        [["Great product, will buy again"], ["Not good, late, broken"], ["OK"], ["Fine, thanks"]],
        [],
    ),
    "norway.csv": (["id BIGINT", "country VARCHAR"], [[1, "NO"], [2, "NO"]], []),
    "sku-exponent.csv": (
        ["sku VARCHAR", "n BIGINT"],
        [["12E4", 1], ["13E5", 2]],
        ["sku stays text: 12E4 may be a number or a code."],
    ),
    "null-words.csv": (
        ["id BIGINT", "score BIGINT"],
        [[1, 10], [2, None], [3, None], [4, None], [5, 20]],
        ["Read N/A and NULL as missing values in: score (2)."],
    ),
    "hash.xlsx": (
        ["code VARCHAR", "rank VARCHAR", "tag VARCHAR"],
        [["00123", "#1!", None], ["00456", "#2 best?", "#sale!"], ["00789", "plain", "#ok"]],
        ["1 cell holds an Excel error (#N/A) and is NULL."],
    ),
    "formula.xlsx": (
        ["item VARCHAR", "qty BIGINT", "price DOUBLE", "total VARCHAR"],
        [["i0", 1, 2.5, None], ["i1", 2, 2.5, None], ["i2", 3, 2.5, None]],
        [
            "3 formulas were never calculated and are NULL, in: total. Open the workbook in Excel or LibreOffice, save "
            "it and attach it again."
        ],
    ),
}


def test_every_file_is_tried() -> None:
    assert {path.name for path in FIELD.iterdir()} == {*FILES, "README.md"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_right_or_the_guess_is_said(ask: Ask, workspace_dir: Path, name: str) -> None:
    columns, rows, notes = FILES[name]
    shutil.copy(FIELD / name, workspace_dir / f"data{Path(name).suffix}")

    answer = ask("FROM data")

    assert [f"{column.name} {column.type}" for column in answer.columns] == columns
    assert answer.rows == rows
    assert answer.notes == [f"data{Path(name).suffix}: {note}" for note in notes]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "it is a web page (HTML)"),
        (b"\n  <HTML><title>Sign in</title>", "it is a web page (HTML)"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "it is XML or markup"),
        (b'{"error": "not found"}', "it is JSON. Rename it to end in .json"),
        (b'\xef\xbb\xbf[\n {"a": 1}]', "it is JSON. Rename it to end in .json"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "it is a Git LFS pointer"),
        (b"{\\rtf1 hello}", "it is a rich text document"),
    ],
)
def test_what_a_failed_download_leaves_is_named(ask: Ask, workspace_dir: Path, content: bytes, kind: str) -> None:
    (workspace_dir / "data.csv").write_bytes(content)

    with pytest.raises(ToolFailed) as refused:
        ask("FROM data")

    assert str(refused.value).startswith("'data.csv' is not a text table: ")
    assert kind in str(refused.value)
