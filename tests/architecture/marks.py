"""Tests by their marks, read from the code: `@pytest.mark.promise("G3")` on a test or in `pytestmark`."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.architecture.code import ROOT


def marked(mark: str) -> dict[str, set[str]]:
    """Return {argument of the mark: node ids of its tests, without parameters}."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        everywhere = [name for node in tree.body for name in _of_module(node, mark)]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for name in (*everywhere, *(n for d in node.decorator_list for n in _named(d, mark))):
                    found[name].add(f"{path.relative_to(ROOT)}::{node.name}")
    return dict(found)


def _of_module(node: ast.stmt, mark: str) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
        for part in ast.walk(node.value):
            yield from _named(part, mark)


def _named(node: ast.AST, mark: str) -> Iterator[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == mark:
        yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))
