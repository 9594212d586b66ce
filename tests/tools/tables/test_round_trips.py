"""Round trips of well-formed CSV: every value comes back to the last character."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from tests.tools.tables.conftest import Ask

PIECES = [
    *(
        "x",
        "Müller",
        "a b",
        '"',
        '""',
        ",",
        ";",
        "\t",
        "|",
        "\n",
        "\r\n",
        "\r",
        '5" pipe',
        "北京",
        "  ",
        "it's",
        "#",
        "\\",
    ),
    *("0,5", "1.234", "{", "<b>", "\u201cq\u201d", "\u2028", "%", "sep=;"),
]


@pytest.mark.parametrize("seed", range(60))
def test_a_table_comes_back_as_it_was_written(ask: Ask, workspace_dir: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same tables in every run
    width, count = chance.randrange(2, 7), chance.randrange(1, 40)
    rows = [[_cell(chance) for _ in range(width)] for _ in range(count)]
    names = [f"col {i}" for i in range(width)]
    text = io.StringIO(newline="")
    # With "\n" and minimal quoting, Python leaves a lone "\r" unquoted, which is not CSV.
    quoting, end = chance.choice([(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n"), (csv.QUOTE_ALL, "\r\n")])
    out = csv.writer(text, delimiter=chance.choice(",;\t|"), quoting=quoting, lineterminator=end)
    out.writerows([names, *rows])
    encoding = chance.choice(["utf-8", "utf-8-sig", "utf-16"])
    (workspace_dir / "data.csv").write_bytes(text.getvalue().encode(encoding))

    answer = ask("FROM data")

    assert [column.name for column in answer.columns] == names
    assert answer.rows == rows
    assert [note for note in answer.notes if "UTF-16" not in note] == []


def _cell(chance: random.Random) -> str:
    """Return a text that is no number and no missing value."""
    return "x" + "".join(chance.choice(PIECES) for _ in range(chance.randrange(5))).strip()
