"""Names of a run's tables. Each CSV, Parquet or JSON file is one, and each sheet of a workbook."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import workspace
from tools.errors import ToolFailed
from tools.tables import jsons, sheets

TEXT_TYPES = {".csv", ".tsv", ".tab"}
EXCEL_TYPES = {".xlsx", ".xlsm"}
PARQUET_TYPES = {".parquet", ".pq"}
JSON_TYPES = {".json", ".geojson", *jsons.LINE_TYPES}
_MAX_TABLES = 200
# Keywords of DuckDB that need quotes after FROM.
_KEYWORDS = """
all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check
collate collation column columns concurrently constraint create cross default deferrable desc describe
distinct do else end except false fetch for foreign freeze from full generated glob group having ilike in
initially inner intersect into is isnull join lambda lateral leading left like limit map natural not notnull
null offset on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify
references returning right select semi show similar some struct summarize symmetric table tablesample then to
trailing true try_cast tuple union unique unpack unpivot using variadic verbose when where window with
"""
RESERVED = frozenset(_KEYWORDS.split())


@dataclass(frozen=True, slots=True)
class TableFile:
    """Source of one table."""

    table: str
    file: str
    sheet: str = ""

    @property
    def spellings(self) -> list[str]:
        """Lower-case names that SQL may use. The table's comes first, then the file's if it has one table."""
        own = [self.table]
        if not self.sheet:
            own.append(self.file.lower())
        if (plain := self.table.removeprefix("t_")) in RESERVED:
            own.append(plain)
        return own

    @property
    def label(self) -> str:
        return f"{self.file}, sheet {self.sheet}" if self.sheet else self.file


def discover(root: Path) -> list[TableFile]:
    """Return every table of the run.

    A name is the file's, made plain enough for SQL; where two would be equal, both include their extension.
    """
    found = list(_sources(root))[:_MAX_TABLES]
    plain = Counter(_slug(Path(file).with_suffix("").as_posix(), sheet) for file, sheet in found)
    result: list[TableFile] = []
    taken: set[str] = set()
    for file, sheet in found:
        name = _slug(Path(file).with_suffix("").as_posix(), sheet)
        if plain[name] > 1:
            name = _slug(file, sheet)
        while name in taken:
            name += "_"
        taken.add(name)
        result.append(TableFile(name, file, sheet))
    return result


def _sources(root: Path) -> Iterator[tuple[str, str]]:
    for entry in workspace.walk(root):
        suffix = Path(entry.name).suffix.lower()
        if suffix in TEXT_TYPES | PARQUET_TYPES:
            yield entry.name, ""
        elif suffix in EXCEL_TYPES:
            yield from ((entry.name, sheet) for sheet in _sheets_of(root, entry.name))
        elif suffix in JSON_TYPES and jsons.is_table(workspace.path_of(root, entry.name)):
            yield entry.name, ""


def _sheets_of(root: Path, name: str) -> list[str]:
    """Return the names of the workbook's sheets. [""] stands for the only sheet, or for an unreadable workbook.

    Loading that one raises the reason.
    """
    try:
        found = sheets.names(workspace.path_of(root, name))
    except ToolFailed:
        return [""]
    return found if len(found) > 1 else [""]


def _slug(name: str, sheet: str) -> str:
    text = unicodedata.normalize("NFKC", f"{name} {sheet}".strip().lower())
    slug = re.sub(r"_+", "_", re.sub(r"\W+", "_", text)).strip("_") or "table"
    return f"t_{slug}" if slug[0].isdigit() or slug in RESERVED else slug
