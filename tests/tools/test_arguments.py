from __future__ import annotations

from typing import Any

import pytest

from tools import arguments, catalog


@pytest.mark.parametrize(
    ("tool", "given", "problem"),
    [
        ("read_file", {"path": "a"}, None),
        ("read_file", {"path": "a", "offset": 1, "limit": 2000}, None),
        ("read_file", {}, "'path' is missing."),
        ("read_file", {"path": 5}, "'path' must be text."),
        ("read_file", {"path": ""}, "'path' may not be empty."),
        ("read_file", {"path": "a", "file": "b"}, "'file' is not known; use path, offset, limit."),
        ("read_file", {"path": "a", "limit": 2001}, "'limit' may be at most 2,000."),
        ("read_file", {"path": "a", "offset": 0}, "'offset' must be at least 1."),
        ("read_file", {"path": "a", "limit": "5"}, "'limit' must be a whole number."),
        ("query_table", {"sql": "x" * 20_001}, "'sql' may have at most 20,000 characters."),
        ("draw_chart", {"kind": "pie"}, "'kind' must be one of: bar, barh, stacked_bar, line, scatter, histogram."),
        ("draw_chart", {"kind": "bar", "series": []}, "'series' must have at least 1 entry."),
        ("draw_chart", {"kind": "bar", "series": [{"name": "n"}]}, "'series.0.values' is missing."),
        ("read_file", {"limit": "5"}, "'path' is missing. 'limit' must be a whole number."),
    ],
)
def test_what_does_not_fit_is_said_in_words(tool: str, given: dict[str, Any], problem: str | None) -> None:
    said = arguments.check(catalog.builtin(tool), given)

    assert said == (None if problem is None else f"The arguments of {tool} do not fit: {problem}")
