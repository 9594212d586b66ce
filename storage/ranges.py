"""Range requests: `Range: bytes=500-` resumes a broken download (RFC 9110, one range)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accounts.errors import AppError

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeNotSatisfiable(AppError):
    """The requested range lies outside the file."""

    status = 416
    code = "range_not_satisfiable"
    title = "The file has no such part"


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def part_of(size: int, header: str) -> Part | None:
    """Return the requested part, or None for the whole file: no header, or one that is not supported.

    Raises RangeNotSatisfiable if the range lies outside the file.
    """
    asked = _ONE.fullmatch(header.strip())
    if asked is None or not (asked[1] or asked[2]):
        return None
    if asked[1]:
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if asked[2] and int(asked[2]) < first:
            return None  # not a valid range
    else:
        first, last = max(0, size - int(asked[2])), size - 1
    if first > last:
        raise RangeNotSatisfiable(f"The file has {size} bytes.")
    return Part(first, last)
