"""JSON and JSON Lines as tables. They are lists of records, in the shapes in which programs write them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.errors import ToolFailed
from tools.tables.columns import TYPED
from tools.tables.csvs import SAMPLE_ROWS, Plain, write
from tools.tables.kinds import is_doubtful
from tools.tables.layout import Layout, arrange
from tools.text import detect_encoding

LINE_TYPES = {".jsonl", ".ndjson"}
_HEAD_BYTES = 64 * 1024
_MAX_BYTES = 64 * 1024 * 1024
"""Bytes of a JSON file that is parsed as a whole."""
_PEEKED_BYTES = 1024 * 1024
"""Size above which a file is judged by its beginning."""
_MAX_DEPTH = 4
"""Levels of nested objects that become columns."""
_LIST = re.compile(r'"\s*:\s*\[\s*[\[{]')

Record = Mapping[str, Any]


def is_table(path: Path) -> bool:
    """Return True if the file looks like a list of records. A large file is judged by its beginning."""
    if path.suffix.lower() in LINE_TYPES:
        return True
    encoding, start = _start(path)
    if encoding is None:
        return False
    if start.startswith("["):
        return start[1:].lstrip()[:1] in ("{", "[")
    if not start.startswith("{"):
        return False
    if path.stat().st_size > _PEEKED_BYTES:
        return _is_lines(start) or _LIST.search(start) is not None
    try:
        return _is_lines(start) or _shape(_parsed(path, encoding)) is not None
    except ToolFailed:
        return False


def _start(path: Path) -> tuple[str | None, str]:
    """Return the encoding, None for binary data, and the first characters after any space."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    encoding = detect_encoding(head)
    text = head.decode(encoding, errors="ignore") if encoding else ""
    return encoding, text.removeprefix("\ufeff").lstrip()


def to_plain(path: Path, target: Path) -> tuple[Plain, list[str]]:
    """Write the records as CSV with a column for each key.

    Nested objects become columns, lists stay JSON. Raises ToolFailed.
    """
    encoding, start = _start(path)
    if encoding is None or not start:
        raise ToolFailed(f"'{path.name}' {'holds binary data, not JSON' if encoding is None else 'is empty'}.")
    if path.suffix.lower() in LINE_TYPES or _is_lines(start):
        return _lines_to_plain(path, encoding, target)
    if path.stat().st_size > _MAX_BYTES:
        raise ToolFailed(
            f"'{path.name}' is larger than {_MAX_BYTES // 1024**2} MB. Save it as JSON Lines (.jsonl), a record a line."
        )
    found = _shape(_parsed(path, encoding))
    if found is None:
        raise ToolFailed(f"'{path.name}' is JSON, but no list of records, so it is no table. Use read_file.")
    return _records_to_plain(path, found, target), []


def _is_lines(start: str) -> bool:
    """Return True if the text begins with {…} and on the next line {…}."""
    first, _, rest = start.partition("\n")
    return first.rstrip().endswith("}") and rest.lstrip().startswith("{")


def _parsed(path: Path, encoding: str) -> Any:
    try:
        return json.loads(path.read_bytes().decode(encoding, errors="replace").removeprefix("\ufeff"))
    except RecursionError:
        raise ToolFailed(f"'{path.name}' is nested too deeply to be a table.") from None
    except json.JSONDecodeError as problem:
        raise ToolFailed(
            f"'{path.name}' is not valid JSON: {problem.msg}, line {problem.lineno:,}, column {problem.colno:,}."
        ) from None


def _shape(value: Any) -> list[Any] | None:
    """Return the rows, as objects or lists of values; None if the value is no table."""
    if isinstance(value, list):
        return value if value and all(isinstance(row, dict) for row in value) else _rows_of_lists(value)
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("features"), list):  # GeoJSON
        rows = [row.get("properties") for row in value["features"] if isinstance(row, dict)]
        return [row or {} for row in rows] or None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return [value["columns"], *value["data"]] if all(isinstance(row, list) for row in value["data"]) else None
    return _columns(value) or _wrapped(value)


def _rows_of_lists(value: list[Any]) -> list[Any] | None:
    """Return the rows of [[…], […]]; None for other lists."""
    if value and all(isinstance(row, list) for row in value):
        return value
    return None


def _columns(value: Mapping[str, Any]) -> list[Any] | None:
    """Return the rows of columns such as {"a": [1, 2], "b": [3, 4]}, or None.

    Each list may also be an object such as {"0": 1, "1": 2}.
    """
    series = list(value.values())
    if len(series) < 2 or not isinstance(series[0], list | dict) or not series[0]:
        return None
    if any(type(one) is not type(series[0]) or len(one) != len(series[0]) for one in series):
        return None
    if isinstance(series[0], list) and not any(isinstance(one, dict | list) for one in series[0]):
        return [dict(zip(value, row, strict=True)) for row in zip(*series, strict=True)]
    if isinstance(series[0], dict) and all(key.isdigit() for key in series[0]):
        return [{name: one.get(key) for name, one in value.items()} for key in series[0]]
    return None


def _wrapped(value: Mapping[str, Any]) -> list[Any] | None:
    """Return the longest list of objects in a value such as {"data": [{…}, {…}], "total": 2}."""
    lists = [
        one for one in value.values() if isinstance(one, list) and one and all(isinstance(row, dict) for row in one)
    ]
    return max(lists, key=len, default=None)


def _records_to_plain(path: Path, rows: Sequence[Any], target: Path) -> Plain:
    if isinstance(rows[0], list):
        texts = [[_text(value) for value in row] for row in rows]
        found = arrange(texts[:SAMPLE_ROWS], TYPED)
        plain, _, _ = write(texts[found.skip :], found, path.name, target)
        return plain
    flat = [_flat(row) for row in rows]
    return _write(path, _keys(flat), flat, target)


def _lines_to_plain(path: Path, encoding: str, target: Path) -> tuple[Plain, list[str]]:
    """Write JSON Lines as CSV.

    The file is read twice, for keys and for values, so that any length needs little memory.
    """
    bad: list[int] = []
    keys = _keys(_line_records(path, encoding, bad))
    if not keys:
        raise ToolFailed(f"'{path.name}' holds no JSON objects, so it is no table.")
    plain = _write(path, keys, _line_records(path, encoding, []), target)
    if not bad:
        return plain, []
    lines = f"line {bad[0]:,}" if len(bad) == 1 else f"{len(bad):,} lines (the first is line {bad[0]:,})"
    return plain, [f"Left out {lines}: not a JSON object."]


def _line_records(path: Path, encoding: str, bad: list[int]) -> Iterator[Record]:
    with path.open(encoding=encoding, errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield _flat(value)
            else:
                bad.append(number)


def _keys(records: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(key for record in records for key in record))


def _write(path: Path, keys: Sequence[str], records: Iterable[Record], target: Path) -> Plain:
    doubtful: set[int] = set()

    def texts(record: Record) -> list[str]:
        values = [record.get(key) for key in keys]
        doubtful.update(i for i, value in enumerate(values) if isinstance(value, str) and is_doubtful(value))
        return [_text(value) for value in values]

    rows = map(texts, records)
    plain, _, _ = write(itertools.chain([keys], rows), Layout(TYPED, 0, keys, len(keys)), path.name, target)
    plain.doubtful = {name for index, name in enumerate(plain.names) if index in doubtful}
    return plain


def _flat(record: Record, depth: int = 1) -> Record:
    """Flatten nested objects: {"a": {"b": 1}} becomes {"a_b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            flat |= {f"{key}_{inner}": item for inner, item in _flat(value, depth + 1).items()}
        else:
            flat[key] = value
    return flat


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value).replace("\x00", "")
