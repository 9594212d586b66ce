"""Excel workbooks, read row by row. A workbook is a zip of XML from outside, so its sizes are checked before it is
unpacked.
"""

from __future__ import annotations

import csv
import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

from defusedxml import ElementTree

from tools.errors import ToolFailed

MAX_UNPACKED = 400 * 1024 * 1024
MAX_SHARED_STRINGS = 100 * 1024 * 1024
MAX_BOOK = 4 * 1024 * 1024
MAX_DIRECTORY = 2 * 1024 * 1024
_TAIL, _END, _END_64 = 66_000, b"PK\x05\x06", b"PK\x06\x07"
MAX_CELLS = 10_000_000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def names(path: Path) -> list[str]:
    """The names of the workbook's sheets, in their order."""
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive, path.name)
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    except ToolFailed:
        raise
    except Exception as problem:  # zipfile alone raises seven kinds for a broken or encrypted archive
        raise ToolFailed(f"'{path.name}' is not an Excel workbook, or it is protected by a password.") from problem
    return [str(sheet.get("name", "")) for sheet in book.iter(f"{_MAIN}sheet")]


def _check_directory(path: Path) -> None:
    """Refuse a directory of a million members before zipfile makes an object of each.

    zipfile believes the size in the end record, wherever in the last 64 KB it finds one, or in a 64-bit one before it.
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
    """Refuse a bomb. The declared sizes bind: zipfile never unpacks more of a member than it declares."""
    sizes = {member.filename.lower(): member.file_size for member in archive.infolist()}
    if (
        len(sizes) > 10_000
        or sum(sizes.values()) > MAX_UNPACKED
        or sizes.get("xl/sharedstrings.xml", 0) > MAX_SHARED_STRINGS
        or sizes.get("xl/workbook.xml", 0) > MAX_BOOK
    ):
        raise ToolFailed(f"'{name}' would unpack to more than {MAX_UNPACKED // 1024**2} MB. Save it as CSV instead.")


def to_csv(path: Path, sheet: str, target: Path) -> None:
    """Write one sheet as CSV. Empty rows, and empty columns to the right of the data, are left out."""
    import openpyxl

    names(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        page = book[sheet] if sheet else book.worksheets[0]
        rows = _write(page, target)
    except ToolFailed:
        raise
    except Exception as problem:
        raise ToolFailed(
            f"'{path.name}' is not an Excel workbook that can be read ({type(problem).__name__})."
        ) from problem
    if not rows:
        raise ToolFailed(f"'{path.name}' holds no rows{f' in sheet {sheet}' if sheet else ''}.")


def _write(page: Any, target: Path) -> int:
    """Rows written."""
    page.reset_dimensions()
    written = cells = 0
    with target.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        for row in page.iter_rows(values_only=True):
            values = [_cell(value) for value in row]
            while values and values[-1] == "":
                values.pop()
            if not values:
                continue
            cells += len(values)
            if cells > MAX_CELLS:
                raise ToolFailed(f"The sheet has more than {MAX_CELLS:,} cells. Save it as CSV instead.")
            out.writerow(values)
            written += 1
    return written


def _cell(value: object) -> str:
    if value is None or (isinstance(value, str) and value.startswith("#") and value.endswith(("!", "/A", "?"))):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).replace("\x00", "")
