"""Refusals of the demo analyst for questions without an answer."""

from __future__ import annotations

from agents.runtimes.demo.request import Table, Unclear
from agents.runtimes.demo.understanding.offers import offers
from agents.runtimes.demo.understanding.reader import Reader


def cannot(table: Table, why: str) -> Unclear:
    return Unclear(question="What should I work out instead?", why=why, role="prompt", choices=tuple(offers(table)))


def nothing(reader: Reader) -> Unclear:
    return cannot(reader.table, f"{reader.table.file} has no column of numbers to work that out of.")
