"""Tests of each attack case: `@pytest.mark.attack(7)` on a test, and the table of docs/security.md.

`python -m tests.architecture.attacks --write` rewrites the table's last column.
"""

from __future__ import annotations

import re
import sys

from tests.architecture.code import ROOT
from tests.architecture.marks import marked

PAGE = ROOT / "docs" / "security.md"
CASES = [*range(1, 19), *range(41, 49), 54, *range(56, 59)]
"""Numbers of the cases. Gaps are attacks on parts that the product does not have yet."""
_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.*?) \|$", re.MULTILINE)


def cases() -> dict[int, set[str]]:
    """Return {case: node ids of its tests}."""
    return {int(case): tests for case, tests in marked("attack").items()}


def table() -> list[int]:
    """Return the cases that the page lists, in its order."""
    return [int(row[1]) for row in _ROW.finditer(PAGE.read_text())]


def as_it_should_be() -> str:
    """Return the page with the present tests in its table."""
    there = cases()
    return _ROW.sub(lambda row: f"| {row[1]} | {row[2]} | {_cell(there.get(int(row[1]), set()))} |", PAGE.read_text())


def _cell(tests: set[str]) -> str:
    files: dict[str, list[str]] = {}
    for test in sorted(tests):
        path, _, name = test.partition("::")
        files.setdefault(path, []).append(f"`{name}`")
    return "<br>".join(f"`{path}`: {', '.join(names)}" for path, names in files.items()) or "—"


def differences() -> list[str]:
    """Return one line for each row of the page that is out of date."""
    now, then = PAGE.read_text().splitlines(), as_it_should_be().splitlines()
    return [
        f"out of date (python -m tests.architecture.attacks --write): {old}"
        for old, new in zip(now, then, strict=True)
        if old != new
    ]


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(as_it_should_be())
    sys.exit("\n".join(differences()) or None)
