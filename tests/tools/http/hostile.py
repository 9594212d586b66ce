"""Rows of tests/data/hostile_urls.txt; its header says how to use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parents[2] / "data/hostile_urls.txt"


@dataclass(frozen=True)
class Row:
    id: str
    kind: str
    label: str
    url: str
    dns: str
    reason: str

    @property
    def lookups(self) -> list[Sequence[str]]:
        """Answers of the resolver, one list for each lookup; empty for names that must not resolve."""
        return [each.split() for each in self.dns.split("|")] if self.dns else []


def rows() -> list[Row]:
    lines = [line for line in FILE.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    return [_row(*line.split("\t")) for line in lines]


def _row(id_: str, kind: str, label: str, url: str, dns: str, reason: str) -> Row:
    return Row(id_, kind, label, _decoded(url), dns, _decoded(reason))


def _decoded(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")
