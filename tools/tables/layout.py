"""Layout of a table in a text: delimiter, rows above the header, header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tools.tables.kinds import DATES, NUMBERS, kind
from tools.tables.records import ONE_COLUMN, SPACES

DELIMITERS = (",", ";", "\t", "|")
ALL_DELIMITERS = (*DELIMITERS, SPACES)
_MAX_TITLES = 20
"""Rows above a header."""
_TYPED_SHARE = 0.8
"""Least share of a column's values that have its type."""
_COMMON_SHARE = 0.9
"""Least share of rows with the common width."""
_BODY_ROWS = 200
"""Rows below the first one that are compared with it."""
_ALIKE_SHARE = 0.2
"""Largest share of rows that may count up as the header does."""
_MAX_NAME = 200
"""Characters of a column name."""
_YEARS = range(1500, 2201)
"""Numbers that count as years in a header."""

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a table, from its first rows."""

    delimiter: str
    skip: int
    """Number of rows above the header, or above the data without one, including blank rows."""
    header: Sequence[str] | None
    width: int
    """Usual number of fields."""
    notes: list[str] = field(default_factory=list)

    def names(self, width: int) -> list[str]:
        """Return column names that differ in more than case; column0, column1 … where the header has none."""
        names: list[str] = []
        taken: set[str] = set()
        for index in range(width):
            given = self.header[index] if self.header and index < len(self.header) else ""
            base = " ".join(given.split())[:_MAX_NAME] or f"column{index}"
            name, number = base, 0
            while name.lower() in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name.lower())
            names.append(name)
        return names


def choose_delimiter(samples: Mapping[str, Rows]) -> tuple[str, list[str]]:
    """Return the delimiter under which most rows have the same number of fields, and notes.

    ONE_COLUMN stands for lines of text. Spaces separate columns only where nothing else does and nearly all rows have
    the same number of words.
    """
    best = max((each for each in samples if each != SPACES), key=lambda delimiter: _fit(samples[delimiter]))
    rows = samples[best]
    if _fit(rows) == 0:
        return (
            (SPACES, ["Columns are separated by spaces."])
            if _are_columns(samples.get(SPACES, []))
            else (ONE_COLUMN, [])
        )
    filled = [row for row in rows if row]
    if len(filled[0]) > 1:
        return best, []
    # The first row is a title, or the name of the only column.
    body = [row for row in filled[_titles(filled) :] if row]
    width = _usual_width([row for row in rows if len(row) > 1])
    alike = sum(len(row) == width for row in body)
    if alike >= len(body) / 2 and _is_typed_anywhere(body, width):
        return best, []
    if alike < _COMMON_SHARE * len(body) or _titles(filled) == 0:
        return ONE_COLUMN, []
    if all(part.startswith(" ") for row in body for part in row[1:] if part):
        return ONE_COLUMN, [f"Read as one column of text: each '{best}' is followed by a space."]
    return best, []


def _are_columns(rows: Rows) -> bool:
    filled = [row for row in rows if row]
    width = _usual_width(filled)
    if width < 2 or len(filled) < 2 or sum(len(row) == width for row in filled) < _COMMON_SHARE * len(filled):
        return False
    return _is_typed_anywhere(filled, width)


def arrange(rows: Rows, delimiter: str) -> Layout:
    """Return the layout of a table from its first rows."""
    skip = _titles(rows)
    while skip < len(rows) and not rows[skip]:
        skip += 1
    notes = []
    above = ("row" if skip == 1 else f"{skip} rows") if any(rows[:skip]) else ""
    body = [row for row in rows[skip:] if row]
    width = _usual_width(body) or (len(body[0]) if body else 0)
    is_header, why = _is_header(body[0], body[1 : _BODY_ROWS + 1]) if body else (False, "")
    if above:
        notes.append(f"Skipped the first {above} above the {'header' if is_header else 'data, which has no header'}.")
    notes += [why] if why else []
    return Layout(delimiter, skip, _without_end(body[0], width) if is_header else None, width, notes)


def _without_end(row: Sequence[str], width: int) -> Sequence[str]:
    """Return the row without the empty fields by which it is wider than the others."""
    return row[:width] if not any(value.strip() for value in row[width:]) else row


def _fit(rows: Rows) -> float:
    """Return the share of rows with the most common width. More columns break ties; a single column scores 0."""
    filled = [row for row in rows if row]
    width, count = Counter(map(len, filled)).most_common(1)[0] if filled else (0, 0)
    if width <= 1 and filled:  # titles above many rows do not make the table narrow
        width, count = next(((w, c) for w, c in Counter(map(len, filled)).most_common() if w > 1), (0, 0))
    return count / len(filled) * min(width, 20) ** 0.5 if width > 1 else 0.0


def _usual_width(rows: Rows) -> int:
    widths = Counter(len(row) for row in rows if row)
    most = max(widths.values(), default=0)
    return max((width for width, count in widths.items() if count == most), default=0)


def _titles(rows: Rows) -> int:
    """Return the number of title rows above the first row of usual width.

    Each must be blank or hold little, else there are none.
    """
    wide = [row for row in rows if len(row) > 1]
    usual = _usual_width(wide)
    if not usual:
        return 0
    for index, row in enumerate(rows[: _MAX_TITLES + 1]):
        filled = sum(bool(value.strip()) for value in row)
        if usual in (len(row), len(_without_end(row, usual))) and not (filled <= 1 and _is_padded_title(rows, index)):
            return index
        if filled > max(1, usual // 3):
            return 0
    return 0


def _is_padded_title(rows: Rows, index: int) -> bool:
    """Return True if a full-width row with one value is a title.

    A header may look alike, such as ",v" of an index column.
    """
    row = rows[index]
    if not any(value.strip() for value in row):
        return True
    rest = [other for other in rows[index + 1 :] if other]
    if row[0].strip() and len(row) > 2:
        return True
    return bool(rest) and _is_header(rest[0], rest[1:_BODY_ROWS]) == (True, "") and _has_proof(rest[0], rest[1:])


def _is_typed_anywhere(body: Rows, width: int) -> bool:
    """Return True if a column below the first row holds numbers or dates. Tables do, text does not."""
    return any(_typed(body[1:], index) for index in range(width))


def _typed(rows: Rows, index: int) -> str:
    """Return "number", "date" or "bool" if nearly all filled values of the column are that, else ""."""
    found = Counter(_family(row[index]) for row in rows if index < len(row))
    del found["empty"]
    family, count = found.most_common(1)[0] if found else ("text", 0)
    return family if family != "text" and count >= _TYPED_SHARE * found.total() else ""


def _family(value: str) -> str:
    found = kind(value)
    if found in NUMBERS or found == "unit":
        return "number"
    if found in DATES or found == "clock":
        return "date"
    return found  # bool, empty or text


def _has_proof(first: Sequence[str], body: Rows) -> bool:
    return any(_family(value) == "text" and _typed(body, index) for index, value in enumerate(first))


def _is_header(first: Sequence[str], body: Rows) -> tuple[bool, str]:
    """Return True if the first row names the columns. The text is a note where that is a guess."""
    families = [_family(value) for value in first]
    if not body:
        return "text" in families, ""
    labels = _label_run(first, body)
    proofs = sum(
        family == "text" and bool(_typed(body, index)) for index, family in enumerate(families) if index not in labels
    )
    doubts = [
        index
        for index, family in enumerate(families)
        if family in {"number", "date", "bool"} and index not in labels and _typed(body, index) in {family, ""}
    ]
    texts = families.count("text")
    if labels and not doubts:
        return True, "" if texts else f"Took the first row as names: {_shown(first, labels)}."
    if proofs and doubts:
        return True, f"Took the first row as names, among them {_shown(first, doubts)}."
    if proofs:
        return True, ""
    if doubts:
        return _lone_year(first, doubts, texts, body)
    if _recurs(first, body):
        return False, "Found no header: values of the first row occur again below it."
    return texts > 0, ""


def _shown(row: Sequence[str], indexes: Collection[int]) -> str:
    return ", ".join(row[index].strip()[:40] for index in sorted(indexes)[:3])


def _lone_year(first: Sequence[str], doubts: Sequence[int], texts: int, body: Rows) -> tuple[bool, str]:
    """Accept a header such as region,2019 above names and values that are no years."""
    years = [index for index in doubts if _number(first[index]) in _YEARS]
    if not texts or years != list(doubts) or any(_are_years(body, index) for index in years):
        return False, ""
    return True, f"Took the first row as names, among them {_shown(first, years)}."


def _are_years(body: Rows, index: int) -> bool:
    found = [_number(row[index]) for row in body if index < len(row)]
    return sum(value in _YEARS for value in found) >= len(found) / 2


def _recurs(first: Sequence[str], body: Rows) -> bool:
    """Return True if most values of the first row occur again in their columns."""
    texts = [index for index, value in enumerate(first) if _family(value) == "text"]
    again = [index for index in texts if any(index < len(row) and row[index] == first[index] for row in body)]
    return len(again) * 2 > len(texts)


def _label_run(first: Sequence[str], body: Rows) -> set[int]:
    """Return the columns whose names are years, dates or counting numbers, as in region,2019,2020,2021."""
    run = _counting(first)
    if len(run) < 2:
        return set()
    nature = _nature(first, run)
    if nature == "number" and (len(run) < 3 or _number(first[min(run)]) not in (0, 1)):
        return set()
    alike = sum(run <= _counting(row) and _nature(row, run) == nature for row in body)
    if nature == "number":  # values that happen to count up begin anywhere
        alike = sum(run <= _counting(row) and _number(row[min(run)]) in (0, 1) for row in body)
    return set() if alike > len(body) * _ALIKE_SHARE else run


def _nature(row: Sequence[str], run: set[int]) -> str:
    """Return "date", "year" or "number" for the values of a run."""
    values = [_number(row[index]) for index in run]
    if None in values:
        return "date"
    return "year" if all(value in _YEARS for value in values) else "number"


def _counting(row: Sequence[str]) -> set[int]:
    """Return the longest run of adjacent, evenly increasing values. They are years, dates or whole numbers."""
    steps = [_position(value) for value in row]
    best: set[int] = set()
    start = 0
    for index in range(1, len(row) + 1):
        here, before = steps[index] if index < len(row) else None, steps[index - 1]
        is_next = here is not None and before is not None and here[0] == before[0] and here[1] > before[1]
        if is_next and index - start >= 2 and here and before:
            earlier = steps[index - 2]
            is_next = earlier is not None and (here[0] == "date" or here[1] - before[1] == before[1] - earlier[1])
        if not is_next:
            if before is not None and index - start > max(1, len(best)):
                best = set(range(start, index))
            start = index
    return best


def _position(value: str) -> tuple[str, float] | None:
    number = _number(value)
    if number is not None:
        return "number", number
    if kind(value) in DATES:
        digits = [int(part) for part in re.findall(r"\d+", value)][:3]
        return "date", float(sum(part * 400.0**-place for place, part in enumerate(_by_size(digits))))
    return None


def _by_size(parts: list[int]) -> list[int]:
    """Return the parts of a date as year, month, day. Only the order counts: 2020-01-22, 1/22/20, 22.1.2020."""
    if len(parts) == 3 and parts[0] <= 31:
        first, second, year = parts
        return [year, second, first] if first > 12 else [year, first, second]
    return parts


def _number(value: str) -> int | None:
    text = value.strip()
    return int(text) if kind(text) == "int" else None
