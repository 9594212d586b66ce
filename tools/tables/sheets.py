"""Excel workbooks, read row by row.

A workbook is a zip of XML from outside, so its sizes are checked before it is unpacked.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from defusedxml import ElementTree

from tools.errors import ToolFailed
from tools.tables import layout
from tools.tables.csvs import SAMPLE_ROWS, Plain, write
from tools.tables.kinds import is_doubtful

MAX_UNPACKED = 400 * 1024 * 1024
"""Bytes of all members of a workbook, unpacked."""
MAX_SHARED_STRINGS = 100 * 1024 * 1024
"""Bytes of the shared strings, which are read at once."""
MAX_BOOK = 4 * 1024 * 1024
"""Bytes of the list of sheets."""
MAX_DIRECTORY = 2 * 1024 * 1024
"""Bytes of the zip's directory."""
_TAIL, _END, _END_64 = 66_000, b"PK\x05\x06", b"PK\x06\x07"
MAX_CELLS = 10_000_000
"""Cells of one sheet."""
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def names(path: Path) -> list[str]:
    """Return the names of the workbook's sheets, in their order. Raises ToolFailed."""
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, path.name)
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
            charts = _chart_sheets(archive)
    except ToolFailed:
        raise
    except Exception as problem:  # zipfile alone raises seven kinds for a broken or encrypted archive
        raise ToolFailed(f"'{path.name}' is not an Excel workbook, or it is protected by a password.") from problem
    return [str(sheet.get("name", "")) for sheet in book.iter(f"{_MAIN}sheet") if sheet.get(_RELATION) not in charts]


def _chart_sheets(archive: zipfile.ZipFile) -> set[str]:
    """Return the relation ids of sheets that hold one chart and no cells."""
    try:
        relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    except KeyError:
        return set()
    return {str(one.get("Id")) for one in relations if str(one.get("Type")).endswith("/chartsheet")}


def _check_directory(path: Path) -> None:
    """Refuse a directory of a million members before zipfile makes an object of each. zipfile believes the size in the
    end record, wherever in the last 64 KB it finds one, or in a 64-bit one before it.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    at = tail.find(_END)
    while at >= 0:
        if int.from_bytes(tail[at + 12 : at + 16], "little") > MAX_DIRECTORY or _END_64 in tail[max(0, at - 20) : at]:
            raise ToolFailed(f"'{path.name}' has too many parts for an Excel workbook.")
        at = tail.find(_END, at + 1)


def check_sizes(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse decompression bombs. The declared sizes bind: zipfile never unpacks more of a member than it declares."""
    sizes = {member.filename.lower(): member.file_size for member in archive.infolist()}
    if (
        len(sizes) > 10_000
        or sum(sizes.values()) > MAX_UNPACKED
        or sizes.get("xl/sharedstrings.xml", 0) > MAX_SHARED_STRINGS
        or sizes.get("xl/workbook.xml", 0) > MAX_BOOK
    ):
        raise ToolFailed(f"'{name}' would unpack to more than {MAX_UNPACKED // 1024**2} MB. Save it as CSV instead.")


def to_plain(path: Path, sheet: str, target: Path) -> tuple[Plain, list[str]]:
    """Write one sheet as CSV.

    Empty rows, and empty columns to the right of the data, are left out. Raises ToolFailed.
    """
    import openpyxl

    names(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        formulas = openpyxl.load_workbook(path, read_only=True, keep_links=False) if _has_formulas(path) else None
        cells = _Cells(_page(book, sheet), _page(formulas, sheet) if formulas else None)
        rows = cells.rows()
        head = list(itertools.islice(rows, SAMPLE_ROWS))
        if not head:
            raise ToolFailed(f"'{path.name}' holds no rows{f' in sheet {sheet}' if sheet else ''}.")
        found = layout.arrange(head, ",")
        records = itertools.islice(itertools.chain(head, rows), found.skip, None)
        plain, _, _ = write(records, found, path.name, target)
    except ToolFailed:
        raise
    except Exception as problem:
        raise ToolFailed(
            f"'{path.name}' is not an Excel workbook that can be read ({type(problem).__name__})."
        ) from problem
    plain.doubtful = {name for index, name in enumerate(plain.names) if index in cells.doubtful}
    return plain, found.notes + cells.notes(plain.names)


def _page(book: Any, sheet: str) -> Any:
    page = book[sheet] if sheet else book.worksheets[0]
    page.reset_dimensions()
    return page


def _has_formulas(path: Path) -> bool:
    """Return True if a sheet has a formula; only then is the workbook read twice."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if not member.startswith("xl/worksheets/"):
                continue
            before = b""
            with archive.open(member) as file:
                while piece := file.read(1024 * 1024):
                    if _FORMULA.search(before + piece):
                        return True
                    before = piece[-4:]
    return False


class _Cells:
    """Cells of a sheet as text, with counts of what could not be read."""

    def __init__(self, page: Any, formulas: Any) -> None:
        self._page, self._formulas = page, formulas
        self._errors: Counter[str] = Counter()
        self._uncalculated: Counter[int] = Counter()
        self.doubtful: set[int] = set()
        """Indexes of columns in which a text looks like 1.234."""

    def rows(self) -> Iterator[list[str]]:
        count = 0
        sheets = itertools.zip_longest(self._page.iter_rows(), self._formulas.iter_rows() if self._formulas else ())
        for row, formulas in sheets:
            values = [self._text(index, cell) for index, cell in enumerate(row or ())]
            for index, cell in enumerate(formulas or ()):
                if cell.data_type == "f" and (index >= len(values) or not values[index]) and not _is_error(row, index):
                    self._uncalculated[index] += 1
            while values and values[-1] == "":
                values.pop()
            if not values and not any(cell.value is not None for cell in (*(row or ()), *(formulas or ()))):
                continue
            count += len(values)
            if count > MAX_CELLS:
                raise ToolFailed(f"The sheet has more than {MAX_CELLS:,} cells. Save it as CSV instead.")
            yield values or [""]

    def _text(self, index: int, cell: Any) -> str:
        if cell.data_type == "e":
            self._errors[str(cell.value)] += 1
            return ""
        if isinstance(cell.value, str) and is_doubtful(cell.value):
            self.doubtful.add(index)
        return _text(cell.value)

    def notes(self, names: Sequence[str]) -> list[str]:
        notes = []
        if self._errors:
            count = self._errors.total()
            cells = "1 cell holds an Excel error" if count == 1 else f"{count:,} cells hold Excel errors"
            verb = "is" if count == 1 else "are"
            notes.append(f"{cells} ({', '.join(sorted(self._errors))}) and {verb} NULL.")
        if self._uncalculated:
            count = self._uncalculated.total()
            formulas, verb = ("1 formula was", "is") if count == 1 else (f"{count:,} formulas were", "are")
            where = ", ".join(names[index] for index in sorted(self._uncalculated) if index < len(names))
            notes.append(
                f"{formulas} never calculated and {verb} NULL, in: {where}. Open the workbook in Excel or LibreOffice, "
                "save it and attach it again."
            )
        return notes


def _is_error(row: Sequence[Any], index: int) -> bool:
    return index < len(row or ()) and row[index].data_type == "e"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).replace("\x00", "")
