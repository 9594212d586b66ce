"""Queries on the run's tables in SQL. The callers' half comes first, then the half that runs in the child process."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools import limited_process
from tools.errors import ToolFailed
from tools.tables import names, results
from tools.tables.results import Column

MAX_SQL = 20_000
LIMITS = limited_process.Limits(timeout_s=60, memory_mb=1536)
# Paths such as /a/b; not a/b, which messages about divisions contain.
_PATH = re.compile(r"(?<![\w/.])/[\w.@+~-]+(?:/[\w.@+~-]+)+/?")
_ONE_STATEMENT = (
    "Write exactly one statement that reads: SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, PIVOT or SHOW TABLES."
)


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """First rows of a result, and the number of all. Cells are JSON: text, number, boolean or None."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    row_count: int
    sources: Sequence[str]
    """Files that were read, with their row counts."""
    notes: Sequence[str]
    """Notes for people on how a file was read."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Profile of a column: rows of the table, filled and distinct values, least and greatest value."""

    name: str
    type: str
    rows: int
    filled: int
    distinct: int
    least: Any
    greatest: Any

    @property
    def null_share(self) -> float:
        return 1 - self.filled / self.rows if self.rows else 0.0


def query(
    root: Path, sql: str, *, max_rows: int, cancelled: Callable[[], bool], limits: limited_process.Limits = LIMITS
) -> TableAnswer:
    """Run one reading SQL statement over the run's files. Raises ToolFailed."""
    if len(sql) > MAX_SQL:
        raise ToolFailed(f"The SQL is longer than {MAX_SQL:,} characters.")
    raw = limited_process.call(
        "tools.tables.asking:in_child",
        {"root": str(root), "sql": sql, "max_rows": max_rows},
        limits=limits,
        cancelled=cancelled,
    )
    return TableAnswer(**{**raw, "columns": [Column(**column) for column in raw["columns"]]})


def tables(root: Path) -> list[names.TableFile]:
    """Return the tables that `query` knows, without reading any."""
    return names.discover(root)


def profile(root: Path, table: str, *, cancelled: Callable[[], bool]) -> list[ColumnProfile]:
    """Return exact figures of each column of the table. Raises ToolFailed."""
    raw = limited_process.call(
        "tools.tables.asking:profile_in_child",
        {"root": str(root), "table": table},
        limits=LIMITS,
        cancelled=cancelled,
    )
    return [ColumnProfile(**column) for column in raw]


def in_child(root: str, sql: str, max_rows: int, scratch: str) -> dict[str, Any]:
    """Run `query` in the child process."""
    return asdict(ask(Path(root), sql, max_rows, Path(scratch)))


def profile_in_child(root: str, table: str, scratch: str) -> list[dict[str, Any]]:
    """Run `profile` in the child process."""
    described = ask(Path(root), f"DESCRIBE {_quote(table)}", 2000, Path(scratch))
    parts = []
    for name in (_quote(str(row[0])) for row in described.rows):
        parts += [f"count({name})", f"count(DISTINCT {name})", f"min({name})", f"max({name})"]
    figures = ask(Path(root), f"SELECT count(*), {', '.join(parts)} FROM {_quote(table)}", 1, Path(scratch)).rows[0]  # noqa: S608
    return [
        asdict(ColumnProfile(str(row[0]), str(row[1]), figures[0], *figures[1 + 4 * i : 5 + 4 * i]))
        for i, row in enumerate(described.rows)
    ]


def ask(root: Path, sql: str, max_rows: int, scratch: Path) -> TableAnswer:
    """Load the tables that the SQL names, lock the database, and run the SQL. Only in a child process."""
    import duckdb

    from tools.tables import load

    known = names.discover(root)
    if not known:
        raise ToolFailed("This run has no CSV, TSV, Excel, Parquet or JSON file to query.")
    con = load.connect()
    unreadable: list[str] = []
    try:
        statement = _statement(con, sql)
        loaded = _load_mentioned(con, root, sql, known, scratch, unreadable)
        _add_aliases(con, sql, known, {done.table for done in loaded})
        load.lock(con)
        columns, rows, count = results.run(con, statement, max_rows)
    except duckdb.OutOfMemoryException:
        raise ToolFailed(
            "The query needs more than the 512 MB of memory that it may use. Aggregate or filter earlier."
        ) from None
    except duckdb.Error as problem:
        raise ToolFailed(" ".join(unreadable) or explain(problem, sql, known)) from None
    return TableAnswer(
        columns=columns,
        rows=rows,
        row_count=count,
        sources=[f"{done.table} ({done.source}, {done.rows:,} rows)" for done in loaded],
        notes=unreadable + [f"{done.source}: {note}" for done in loaded for note in done.notes],
    )


def _load_mentioned(
    con: Any, root: Path, sql: str, known: Sequence[names.TableFile], scratch: Path, unreadable: list[str]
) -> list[Any]:
    """Load the tables that the SQL may use.

    A file that cannot be a table is noted; it fails the query only if the query needs it.
    """
    from tools.tables import load

    loaded = []
    for source in _mentioned(con, sql, known):
        try:
            loaded.append(load.load(con, root, source, scratch))
        except ToolFailed as problem:
            unreadable.append(str(problem))
    return loaded


def _statement(con: Any, sql: str) -> str:
    statements = con.extract_statements(sql)
    if len(statements) != 1 or statements[0].type.name not in {"SELECT", "EXPLAIN", "MULTI"}:
        raise ToolFailed(_ONE_STATEMENT)
    # A comment may end the text; the newline keeps it from covering the bracket of the counting query.
    return str(statements[0].query).strip().rstrip(";") + "\n"


def _mentioned(con: Any, sql: str, known: Sequence[names.TableFile]) -> list[names.TableFile]:
    """Return the tables that the SQL reads, by DuckDB's parser. Where the parser fails, any word may name a table."""
    text = sql.lower()
    if re.search(r"\bshow\s+(all\s+)?tables\b|information_schema|duckdb_(tables|columns)|pragma_", text):
        return list(known)
    try:
        words = {str(name).lower() for name in con.get_table_names(sql)}
    except Exception:  # it cannot parse PIVOT, and raises no exception of its own
        return [source for source in known if any(_occurs(name, text) for name in source.spellings)]
    return [source for source in known if words & set(source.spellings)]


def _occurs(name: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _add_aliases(con: Any, sql: str, known: Sequence[names.TableFile], loaded: set[str]) -> None:
    """Create views, so that `FROM 'tickets.csv'` works too, and `FROM "order"` for order.csv (t_order)."""
    for source in known:
        if source.table not in loaded:
            continue
        for alias in source.spellings[1:]:
            if alias in sql.lower():
                con.execute(f"CREATE VIEW IF NOT EXISTS {_quote(alias)} AS SELECT * FROM {_quote(source.table)}")  # noqa: S608


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def explain(problem: Exception, sql: str, known: Sequence[names.TableFile]) -> str:
    """Return DuckDB's message without traces and server paths. Only the rest helps a model to correct its SQL."""
    text = str(problem).partition("Traceback (most recent call last)")[0]
    said = " ".join(line.strip() for line in text.splitlines() if line.strip(" ^"))
    said = _PATH.sub(lambda found: found[0] if found[0] in sql else "…", said)[:700]
    if "file system operations are disabled" in text:
        said = "SQL here reads the run's tables only; it cannot open files, folders or addresses."
    elif missing := re.search(r"Table with name (.+?) does not exist", text):
        said = f"There is no table {missing[1]}."
    listing = ", ".join(f"{source.table} ({source.label})" for source in known[:40])
    return f"{said} Tables of this run: {listing}."
