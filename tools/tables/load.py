"""Put one file of the run into DuckDB as a table with typed columns. Runs in `tools.limited_process`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tools import workspace
from tools.errors import ToolFailed
from tools.tables import csvs, sheets
from tools.tables.names import EXCEL_TYPES, PARQUET_TYPES, TableFile

MAX_FILE_BYTES = 300 * 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024
# 1.234,56 and 12,5 but not 1,234,567: thousands in threes, then one comma.
_DECIMAL_COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table in the database, and what the model should know of how it was read."""

    table: str
    source: str
    rows: int
    notes: list[str] = field(default_factory=list)


def connect() -> duckdb.DuckDBPyConnection:
    """An empty database that may read files, for loading; `lock` closes it."""
    con = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": "512MB",
            "threads": "1",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    con.execute("SET TimeZone = 'UTC'")
    return con


def lock(con: duckdb.DuckDBPyConnection) -> None:
    """From here on SQL reaches the loaded tables and nothing else: no file, no network, no Python variable, no
    setting.
    """
    con.execute("SET python_enable_replacements = false")
    con.execute("SET temp_directory = ''")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def load(con: duckdb.DuckDBPyConnection, root: Path, source: TableFile, scratch: Path) -> Loaded:
    """Create the table, or ToolFailed with one sentence that says why the file cannot be one."""
    path = workspace.path_of(root, source.file)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ToolFailed(
            f"'{source.file}' is larger than {MAX_FILE_BYTES // 1024**2} MB, which is more than can be queried."
        )
    suffix = path.suffix.lower()
    if suffix in PARQUET_TYPES:
        notes = _load_parquet(con, path, source.table)
    elif suffix in EXCEL_TYPES:
        plain = scratch / f"{source.table[:100]}.csv"
        sheets.to_csv(path, source.sheet, plain)
        notes = _load_text(con, plain, source.table, scratch, delimiter=",")
        _make_dates(con, source.table)
    else:
        notes = _load_text(con, path, source.table, scratch)
    count = con.execute(f"SELECT count(*) FROM {quote(source.table)}").fetchone()  # noqa: S608 - quoted identifier
    return Loaded(source.table, source.label, count[0] if count else 0, notes)


def quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _load_parquet(con: duckdb.DuckDBPyConnection, path: Path, table: str) -> list[str]:
    try:
        con.execute(f"CREATE TABLE {quote(table)} AS SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as problem:
        raise ToolFailed(f"'{path.name}' cannot be read as Parquet: {_first_line(problem, path)}") from None
    return []


def _load_text(
    con: duckdb.DuckDBPyConnection, path: Path, table: str, scratch: Path, *, delimiter: str = ""
) -> list[str]:
    """Notes on what was assumed. An empty delimiter means: find it."""
    text, notes = csvs.to_utf8(path, scratch / f"{table[:100]}.utf8.csv")
    dialect = csvs.sniff(text, [delimiter] if delimiter else csvs.DELIMITERS)
    if dialect.skip:
        rows = "row" if dialect.skip == 1 else f"{dialect.skip} rows"
        notes.append(f"Skipped the first {rows} above the header.")
    try:
        _read(con, text, table, dialect)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        plain = scratch / f"{table[:100]}.plain.csv"
        changed = csvs.rewrite(text, dialect, plain)
        # Excel leaves empty cells at the end of a row out; that is nothing to tell.
        notes += [] if delimiter else changed
        try:
            _read(con, plain, table, csvs.Dialect(",", 0))
        except duckdb.Error as problem:
            raise ToolFailed(f"'{path.name}' cannot be read as a table: {_first_line(problem, plain)}") from None
    return notes + _read_decimal_commas(con, table, dialect)


def _read(con: duckdb.DuckDBPyConnection, path: Path, table: str, dialect: csvs.Dialect) -> None:
    """All rows are looked at before a column gets its type, so that a late odd value makes it text and never an
    error.
    """
    options = "delim=?, skip=?, quote='\"', escape='\"', comment='', sample_size=-1, max_line_size=?, parallel=false"
    con.execute(
        f"CREATE OR REPLACE TABLE {quote(table)} AS SELECT * FROM read_csv(?, {options})",  # noqa: S608
        [str(path), dialect.delimiter, dialect.skip, _MAX_LINE],
    )


def _read_decimal_commas(con: duckdb.DuckDBPyConnection, table: str, dialect: csvs.Dialect) -> list[str]:
    """Turn columns such as 1.234,56 into numbers; only where no comma separates fields could they have been written
    so.
    """
    if dialect.delimiter == ",":
        return []
    changed = []
    for name, kind, *_ in con.execute(f"DESCRIBE {quote(table)}").fetchall():
        column = quote(name)
        if kind != "VARCHAR":
            continue
        all_fit, any_comma = con.execute(
            f"SELECT bool_and(regexp_full_match(trim({column}), ?)), bool_or(contains({column}, ',')) FROM "  # noqa: S608
            f"{quote(table)}",
            [_DECIMAL_COMMA],
        ).fetchall()[0]
        if all_fit and any_comma:
            con.execute(
                f"ALTER TABLE {quote(table)} ALTER {column} TYPE DOUBLE "
                f"USING CAST(replace(replace(trim({column}), '.', ''), ',', '.') AS DOUBLE)"
            )
            changed.append(name)
    return [f"Read decimal commas as numbers in: {', '.join(changed)}."] if changed else []


def _make_dates(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Excel knows no dates, only times: a column in which all are midnight holds dates."""
    for name, kind, *_ in con.execute(f"DESCRIBE {quote(table)}").fetchall():
        column = quote(name)
        if kind == "TIMESTAMP":
            sql = f"SELECT bool_and({column} = date_trunc('day', {column})) FROM {quote(table)}"  # noqa: S608
            if con.execute(sql).fetchall()[0][0]:
                con.execute(f"ALTER TABLE {quote(table)} ALTER {column} TYPE DATE")


def _first_line(problem: Exception, path: Path) -> str:
    line = str(problem).split("\n", 1)[0].replace(str(path), path.name)
    return line.partition("Error: ")[2][:200] or line[:200]
