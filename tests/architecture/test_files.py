"""Committed files: nothing names the machine that wrote them, and every download has a hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.code import ROOT, committed

# Split, so that this file does not match itself.
FORBIDDEN = {
    "a path of the machine it was written on": re.compile("/" + r"work/(?:wt|main|shared)\b"),
    "a package index": re.compile(
        r"https?://[^\s\"')]*(?:pypi\.org/simple|/simple/)|--(?:extra-)?index" + r"-url\b|--find" + "-links"
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY"),
}
_MAY_SPEAK_OF_INDEXES = {Path("config/bootstrap.py"), Path("tests/config/test_bootstrap.py")}


def texts() -> dict[Path, str]:
    found = {}
    for path in committed():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content[:8000]:
            found[path] = content.decode(errors="replace")
    return found


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_holds(what):
    found = [
        f"{path}: {match.group()}"
        for path, text in texts().items()
        if path not in _MAY_SPEAK_OF_INDEXES
        for match in FORBIDDEN[what].finditer(text)
    ]

    assert found == []


def test_the_locks_have_a_hash_for_every_package():
    for lock in (ROOT / "requirements").glob("*.txt"):
        packages = re.findall(r"(?m)^[A-Za-z0-9._-]+==.*(?:\n[ \t].*)*", lock.read_text())

        assert len(packages) > 50
        assert [package.partition("\n")[0] for package in packages if "--hash=sha256:" not in package] == []
