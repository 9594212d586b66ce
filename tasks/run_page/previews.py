"""Previews of files on a page: Markdown, first rows of a table, picture or text."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field

from storage.models import StoredFile
from storage.services import open_file, safe_inline_type
from tools.text import decode

MAX_BYTES = 5_000_000
MAX_CHARS = 60_000
MAX_ROWS = 50
MAX_COLUMNS = 30
MAX_CELL = 300
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview of a file. `kind` is image, markdown, table, text or none; `note` says what is missing."""

    kind: str
    text: str = ""
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""


def preview(stored: StoredFile, *, path: str) -> Preview:
    """Return the preview of the file, by its true type and the extension of its path."""
    shown_as = safe_inline_type(stored)
    if shown_as is None:
        return Preview("none", note="There is no preview for this kind of file. Download it to open it.")
    if shown_as.startswith("image/"):
        return Preview("image")
    if stored.size > MAX_BYTES:
        return Preview("none", note="The file is too large for a preview. Download it to open it.")
    text = _text(stored)
    if not text.strip():
        return Preview("none", note="The file is empty.")
    suffix = path.rpartition(".")[2].lower()
    if suffix in ("md", "markdown"):
        return Preview("markdown", text=text)
    if suffix in ("csv", "tsv"):
        return _table(text)
    return _plain(_indented(text) if suffix == "json" else text)


def _text(stored: StoredFile) -> str:
    with open_file(stored) as file:
        return decode(file.read(MAX_BYTES + 1))


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _plain(text: str) -> Preview:
    note = "" if len(text) <= MAX_CHARS else f"The first {MAX_CHARS:,} characters. The download has all of it."
    return Preview("text", text=text[:MAX_CHARS], note=note)


def _table(text: str) -> Preview:
    first = text.splitlines()[0]
    delimiter = max(DELIMITERS, key=first.count)
    try:
        lines = list(_rows(text, delimiter))
    except csv.Error:
        return _plain(text)
    header, rows = lines[0], lines[1:]
    width = max(map(len, lines))
    cut = [name for name, is_cut in (("rows", len(rows) > MAX_ROWS), ("columns", width > MAX_COLUMNS)) if is_cut]
    note = f"The first {' and '.join(cut)}. The download has all of them." if cut else ""
    shown = [[cell[:MAX_CELL] for cell in row[:MAX_COLUMNS]] for row in rows[:MAX_ROWS]]
    return Preview("table", columns=header[:MAX_COLUMNS], rows=shown, note=note)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    found = []
    for row in reader:
        if row:
            found.append(row)
        if len(found) > MAX_ROWS + 1:
            break
    return found or [[""]]
