"""Which test names which promise, read from the code: `@pytest.mark.promise("G3")` on a test or in `pytestmark`."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator

from tests.house.code import ROOT

PAGE = ROOT / "docs" / "guarantees.md"
PROMISES = [*(f"G{n}" for n in (*range(1, 14), 16, 17, 18)), "admission"]
"""G14 and G15 are about what the product does not have yet: payments and outgoing webhooks."""


def marked() -> dict[str, set[str]]:
    """Promise → node ids of the tests that name it, without parameters."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        everywhere = [name for node in tree.body for name in _of_module(node)]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for name in (*everywhere, *(n for d in node.decorator_list for n in _named(d))):
                    found[name].add(f"{path.relative_to(ROOT)}::{node.name}")
    return dict(found)


def _of_module(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
        for part in ast.walk(node.value):
            yield from _named(part)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "promise":
        yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def documented() -> dict[str, set[str]]:
    """The same, as the page says it."""
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
    """Promise → (what one can rely on, the mechanism), from the page's table."""
    return {
        cells[0]: (cells[1], cells[2])
        for line in PAGE.read_text().splitlines()
        if line.startswith("| ") and len(cells := [cell.strip() for cell in line.strip("| ").split(" | ")]) == 3
        if cells[0] in PROMISES
    }


def differences() -> list[str]:
    """What the page says otherwise than the tests."""
    there, said = marked(), documented()
    return [
        f"{promise}: {test} is {'not on the page' if test in there.get(promise, ()) else 'on the page only'}"
        for promise in sorted(there.keys() | said.keys())
        for test in sorted(there.get(promise, set()) ^ said.get(promise, set()))
    ]


if __name__ == "__main__":
    sys.exit("\n".join(differences()) or None)
