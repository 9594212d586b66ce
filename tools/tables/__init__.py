"""CSV, Excel, Parquet and JSON files of the run, as tables for SQL."""

from __future__ import annotations

from tools.tables.asking import ColumnProfile, TableAnswer, profile, query, tables
from tools.tables.render import markdown
from tools.tables.results import Column

__all__ = ["Column", "ColumnProfile", "TableAnswer", "markdown", "profile", "query", "tables"]
