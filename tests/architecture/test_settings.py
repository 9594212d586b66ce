"""Variables in docs/settings.md: exactly those that the code reads."""

from __future__ import annotations

import re

from tests.architecture.code import ROOT, modules

_READ = re.compile(
    r"""(?:\benv(?:\.\w+)?\(|environ(?:\.get\(|\[)|given\.get\(|_number\(given,)\s*"([A-Z][A-Z0-9_]+)\""""
)
# Variables of Python, the terminal or tools; nobody sets them for Deskhand.
_NOT_OURS = {"DJANGO_SETTINGS_MODULE", "HOME", "PATH", "PYTHONDONTWRITEBYTECODE"}


def read_by_code() -> set[str]:
    found = {name for path in modules() for name in _READ.findall((ROOT / path).read_text())}
    return found - _NOT_OURS


def documented() -> set[str]:
    text = (ROOT / "docs" / "settings.md").read_text()
    return set(re.findall(r"(?m)^\| `([A-Z][A-Z0-9_]+)`", text))


def test_every_variable_is_documented():
    assert len(read_by_code()) > 20
    assert read_by_code() - documented() == set()


def test_every_documented_variable_is_read():
    assert documented() - read_by_code() == set()
