"""Versions, files and tests that docs/internals.md names."""

from __future__ import annotations

import re

from tests.architecture.code import ROOT

ROWS = re.findall(r"(?m)^\| ([\w-]+)==(\S+) \|(.+)\|$", (ROOT / "docs/internals.md").read_text())


def test_the_versions_that_were_checked_are_the_locked_ones():
    locked = dict(re.findall(r"(?m)^([\w-]+)==(\S+)", (ROOT / "requirements/dev.txt").read_text()))

    assert len(ROWS) >= 6
    assert {name: locked[name] for name, _, _ in ROWS} == {name: version for name, version, _ in ROWS}


def test_code_and_tests_on_the_page_exist():
    paths = [path for _, _, rest in ROWS for path in re.findall(r"`([\w/]+\.py)`", rest)]

    assert len(paths) == 2 * len(ROWS)
    assert [path for path in paths if not (ROOT / path).exists()] == []
