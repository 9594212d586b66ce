"""Tests of each promise: `@pytest.mark.promise("G3")` in the code, and the lists of docs/guarantees.md."""

from __future__ import annotations

import re
import sys

from tests.architecture import marks
from tests.architecture.code import ROOT

PAGE = ROOT / "docs" / "guarantees.md"
PROMISES = [*(f"G{n}" for n in (*range(1, 14), *range(16, 24))), "admission"]
"""Numbers of the promises.

G14 and G15 are about payments and outgoing webhooks, which the product does not have yet.
"""


def marked() -> dict[str, set[str]]:
    """Return {promise: node ids of its tests} from the code."""
    return marks.marked("promise")


def documented() -> dict[str, set[str]]:
    """Return {promise: node ids of its tests} from the page."""
    found = {}
    for section in PAGE.read_text().split("\n### ")[1:]:
        promise, _, lines = section.partition("\n")
        found[promise.strip()] = {
            f"{path}::{name}"
            for path, names in re.findall(r"^\* `(tests/[^`]+)`: (.+?)$", lines.split("\n## ")[0], re.MULTILINE)
            for name in re.findall(r"`(test_\w+)`", names)
        }
    return found


def rows() -> dict[str, tuple[str, str]]:
    """Return {promise: (guarantee, mechanism)} from the page's table."""
    return {
        cells[0]: (cells[1], cells[2])
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("| ").split(" | ")]) == 3
        if cells[0] in PROMISES
    }


def differences() -> list[str]:
    """Return one line for each test that only the page or only the code names."""
    there, said = marked(), documented()
    return [
        f"{promise}: {test} is {'not on the page' if test in there.get(promise, ()) else 'on the page only'}"
        for promise in sorted(there.keys() | said.keys())
        for test in sorted(there.get(promise, set()) ^ said.get(promise, set()))
    ]


if __name__ == "__main__":
    sys.exit("\n".join(differences()) or None)
