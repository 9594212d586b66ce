"""Suggestions of questions that the demo analyst can answer from a table."""

from __future__ import annotations

from agents.runtimes.demo.table import Table
from agents.runtimes.demo.table_columns import Column, Kind, measures

MOST = 6


def offers(table: Table) -> list[str]:
    """Return complete questions of different kinds that this table can answer."""
    groups = [c for c in table.asked if c.kind is Kind.CATEGORY and not c.is_number]
    numbers = measures(table.asked)
    group, number = _first(groups), _first(numbers)
    found = []
    if group and number:
        found.append(f"Which {group} has the highest average {number}?")
    if number and table.time() is not None:
        found.append(f"How did {number} change over time?")
    if number and len(table.asked) > 2:
        found.append(f"What drives {number}?")
    if len(numbers) > 1:
        found.append(f"Is there a relation between {numbers[0].name} and {numbers[1].name}?")
    if group:
        found.append(f"How many rows are there by {group}?")
    if number:
        found.append(f"How is {number} distributed?")
    found += ["Which columns have missing values?", "What is in this table?"]
    return [offer for offer in dict.fromkeys(found) if len(offer) <= 200][:MOST]


def _first(columns: list[Column]) -> str:
    return columns[0].name if columns else ""
