"""JSON and JSON Lines as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.tables.conftest import Ask
from tools import tables
from tools.errors import ToolFailed

SHAPES = {
    "a list of objects": (
        "data.json",
        '[{"n": "bob", "v": 1.234, "d": "2024-01-02", "p": "$1,234.50", "in": {"x": 1, "y": [1, 2]}},'
        ' {"n": null, "v": 2.5, "more": true, "d": "2024-02-02", "p": "$5"}]',
        ["n", "v", "d", "p", "in_x", "in_y", "more"],
        [
            ["bob", 1.234, "2024-01-02", 1234.5, 1, "[1, 2]", None],
            [None, 2.5, "2024-02-02", 5.0, None, None, True],
        ],
        ["Read commas as thousands separators in: p.", "Read amounts of money as numbers in: p ($)."],
    ),
    "JSON Lines": (
        "data.jsonl",
        '{"a": 1, "s": "x"}\n\n{"a": 2, "s": "007"}\n',
        ["a", "s"],
        [[1, "x"], [2, "007"]],
        [],
    ),
    "lines that are called .json": ("data.json", '{"a": 1}\n{"a": 2}\n', ["a"], [[1], [2]], []),
    "one bad line": (
        "data.ndjson",
        '{"a": 1}\nbroken\n{"a": 2}\n',
        ["a"],
        [[1], [2]],
        ["Left out line 2: not a JSON object."],
    ),
    "lists of values": ("data.json", '[["name", "n"], ["bob", 1]]', ["name", "n"], [["bob", 1]], []),
    "inside an object": ("data.json", '{"total": 2, "data": [{"a": 1}, {"a": 2}]}', ["a"], [[1], [2]], []),
    "a list for each column": ("data.json", '{"a": [1, 2], "b": ["x", "y"]}', ["a", "b"], [[1, "x"], [2, "y"]], []),
    "an object for each column": ("data.json", '{"a": {"0": 1}, "b": {"0": "x"}}', ["a", "b"], [[1, "x"]], []),
    "columns, index and data": (
        "data.json",
        '{"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}',
        ["a", "b"],
        [[1, "x"]],
        [],
    ),
    "GeoJSON": (
        "data.geojson",
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"n": "x", "p": 5}}]}',
        ["n", "p"],
        [["x", 5]],
        [],
    ),
    "half a character and NaN": (
        "data.json",
        '[{"a": "\\ud83d x", "b": NaN}, {"a": "y", "b": 1.5}]',
        ["a", "b"],
        [["? x", None], ["y", 1.5]],
        ["Read nan as missing values in: b (1)."],
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_list_of_records_is_a_table(ask: Ask, workspace_dir: Path, case: str) -> None:
    name, content, columns, rows, notes = SHAPES[case]
    (workspace_dir / name).write_text(content)

    answer = ask("FROM data")

    assert [column.name for column in answer.columns] == columns
    assert answer.rows == rows
    assert answer.notes == [f"{name}: {note}" for note in notes]


def test_a_json_file_in_another_encoding_is_read(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "one.json").write_bytes('[{"a": "Müller"}]'.encode("latin-1"))
    (workspace_dir / "two.json").write_bytes('\ufeff[{"a": "Müller"}]'.encode())
    (workspace_dir / "three.json").write_bytes('[{"a": "Müller"}]'.encode("utf-16"))

    assert ask("FROM one").rows == ask("FROM two").rows == ask("FROM three").rows == [["Müller"]]


@pytest.mark.parametrize(
    "content",
    ['{"name": "app", "scripts": {"test": "x"}, "files": ["a"]}', '"text"', "5", "null", "", "[1, 2]", "{broken"],
)
def test_other_json_is_no_table(workspace_dir: Path, content: str) -> None:
    (workspace_dir / "data.json").write_text(content)

    assert tables.tables(workspace_dir) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('[{"a": 1},', "'data.json' is not valid JSON: Expecting value, line 1, column 11."),
        ('[{"a": 1}, 5]', "'data.json' is JSON, but no list of records, so it is no table. Use read_file."),
        ("[[" * 50_000, "'data.json' is nested too deeply to be a table."),
    ],
)
def test_what_is_no_table_after_all_is_said(ask: Ask, workspace_dir: Path, content: str, why: str) -> None:
    (workspace_dir / "data.json").write_text(content)

    with pytest.raises(ToolFailed) as refused:
        ask("FROM data")

    assert str(refused.value) == why
