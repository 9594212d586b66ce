"""Reading what the tools answer, which is written for models: Markdown tables and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.runtimes.demo.columns import Column
from agents.runtimes.demo.queries import DIFFERENT, NUMBERS

TEXT_TYPES = (".md", ".txt", ".csv", ".tsv", ".json", ".html", ".htm", ".yaml", ".yml", ".xml", ".log", ".eml", ".py")


@dataclass(frozen=True, slots=True)
class TableFile:
    table: str
    file: str


def rows(text: str) -> list[dict[str, str]]:
    """The rows of the first Markdown table in the text, by column name; NULL is ""."""
    lines = [line for line in text.split("\n") if line.startswith("|")]
    if len(lines) < 2:
        return []
    head = _cells(lines[0])
    return [dict(zip(head, _cells(line), strict=False)) for line in lines[2:]]


def tables(text: str) -> list[TableFile]:
    """The tables that `list_files` names."""
    return [TableFile(row["table"], row["file"]) for row in rows(text) if row.get("table")]


def text_files(text: str) -> list[str]:
    """The files of the run that `read_file` can show."""
    names = list(dict.fromkeys(row.get("file", "") for row in rows(text)))
    return [name for name in names if name.lower().endswith(TEXT_TYPES)]


def number(text: str) -> float:
    """0 where there is none."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


def columns(text: str) -> list[Column]:
    """The columns that `queries.profile` found."""
    return [_column(row) for row in rows(text)]


def exact(known: Sequence[Column], text: str) -> tuple[int, list[Column]]:
    """The number of rows, and the columns with what `queries.exact_counts` counted of them."""
    (row,) = rows(text)
    counts = {name: int(number(cell)) for name, cell in row.items()}
    return counts["rows"], [
        column.exactly(
            distinct=counts.get(column.name + DIFFERENT, column.distinct),
            numeric=counts.get(column.name + NUMBERS, 0),
        )
        for column in known
    ]


def _column(row: Mapping[str, str]) -> Column:
    count = number(row["count"])
    return Column(
        name=row["column_name"],
        type=row["column_type"].partition("(")[0],
        distinct=int(number(row["approx_unique"])),
        filled=round(count * (1 - number(row["null_percentage"]) / 100)),
        low=row["low"],
        high=row["high"],
        quartiles=tuple(quartile for quartile in (row["q25"], row["q50"], row["q75"]) if quartile),
    )


def _cells(line: str) -> list[str]:
    texts = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))]
    return ["" if text == "NULL" else re.sub(r"\\(.)", _unescaped, text) for text in texts]


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found.group(1) == "n" else found.group(1)
