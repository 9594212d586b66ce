"""Loading of one file into DuckDB as a table with typed columns. Runs in `tools.limited_process`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from tools import workspace
from tools.errors import ToolFailed
from tools.tables import csvs, inference, jsons, sheets
from tools.tables.columns import TYPED
from tools.tables.kinds import literal, quote
from tools.tables.names import EXCEL_TYPES, JSON_TYPES, PARQUET_TYPES, TableFile

MAX_FILE_BYTES = 300 * 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line."""
_OURS = "null_padding=true, new_line='\\r\\n', "
_KEPT_BYTES = 32 * 1024 * 1024
"""Size up to which the text is loaded once; a larger file is read for each pass."""
_RAW = "raw text of the file"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Table in the database, with notes for the model on how it was read."""

    table: str
    source: str
    rows: int
    notes: list[str] = field(default_factory=list)


def connect() -> duckdb.DuckDBPyConnection:
    """Return an empty database that may read files, for loading; `lock` ends that."""
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
    """Restrict SQL to the loaded tables: no file, network, Python variable or setting."""
    con.execute("SET python_enable_replacements = false")
    con.execute("SET temp_directory = ''")
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


def load(con: duckdb.DuckDBPyConnection, root: Path, source: TableFile, scratch: Path) -> Loaded:
    """Create the table of the file. Raises ToolFailed with one sentence that says why it cannot be one."""
    path = workspace.path_of(root, source.file)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ToolFailed(
            f"'{source.file}' is larger than {MAX_FILE_BYTES // 1024**2} MB, which is more than can be queried."
        )
    suffix = path.suffix.lower()
    if suffix in PARQUET_TYPES:
        notes = _load_parquet(con, path, source.table)
    elif suffix in EXCEL_TYPES:
        plain, notes = sheets.to_plain(path, source.sheet, scratch / f"{source.table[:100]}.csv")
        notes += _load_plain(con, plain, source.table, TYPED)
        _make_dates(con, source.table)
    elif suffix in JSON_TYPES:
        plain, notes = jsons.to_plain(path, scratch / f"{source.table[:100]}.csv")
        notes += _load_plain(con, plain, source.table, TYPED)
    else:
        notes = _load_text(con, path, source.table, scratch)
    return Loaded(source.table, source.label, _count(con, source.table), notes)


def _load_parquet(con: duckdb.DuckDBPyConnection, path: Path, table: str) -> list[str]:
    try:
        con.execute(f"CREATE TABLE {quote(table)} AS SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as problem:
        raise ToolFailed(f"'{path.name}' cannot be read as Parquet: {_first_line(problem, path)}") from None
    return []


def _load_text(con: duckdb.DuckDBPyConnection, path: Path, table: str, scratch: Path) -> list[str]:
    """Load a delimited text. Return notes on what was assumed."""
    source = csvs.look(path, scratch / f"{table[:100]}.utf8.csv")
    notes = source.notes
    if plain := source.as_it_is():
        try:
            return notes + _load_plain(con, plain, table, source.layout.delimiter)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            pass  # a row is malformed; rewriting isolates it
    plain, changed = source.rewritten(path.name, scratch / f"{table[:100]}.plain.csv")
    try:
        return notes + changed + _load_plain(con, plain, table, source.layout.delimiter)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as problem:
        raise ToolFailed(f"'{path.name}' cannot be read as a table: {_first_line(problem, plain.path)}") from None


def _load_plain(con: duckdb.DuckDBPyConnection, plain: csvs.Plain, table: str, delimiter: str) -> list[str]:
    """Load all columns as text, then infer their types. A large file is read again for each pass, to save memory."""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in plain.names)
    quoting = literal('"') if plain.is_quoted else "''"
    scan = (
        f"read_csv({literal(str(plain.path))}, auto_detect=false, header=false, columns={{{columns}}}, "
        f"delim={literal(plain.delimiter)}, quote={quoting}, escape={quoting}, comment='', skip={plain.skip}, "
        f"{_OURS if plain.is_ours else ''}max_line_size={_MAX_LINE}, parallel=false)"
    )
    kind = "TABLE" if plain.path.stat().st_size <= _KEPT_BYTES else "VIEW"
    try:
        con.execute(f"CREATE TEMP {kind} {quote(_RAW)} AS SELECT * FROM {scan}")  # noqa: S608 - quoted literals
        notes = inference.type_columns(con, _RAW, table, plain.names, delimiter=delimiter, doubtful=plain.doubtful)
    finally:
        con.execute(f"DROP {kind} IF EXISTS {quote(_RAW)}")
    if plain.records not in (None, _count(con, table)):
        raise duckdb.InvalidInputException(f"Not every row of '{plain.path.name}' was found.")
    return notes


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {quote(table)}").fetchall()[0][0])  # noqa: S608 - quoted identifier


def _make_dates(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Turn columns in which every time is midnight into dates: Excel has no dates, only times."""
    for name, kind, *_ in con.execute(f"DESCRIBE {quote(table)}").fetchall():
        column = quote(name)
        if kind == "TIMESTAMP":
            sql = f"SELECT bool_and({column} = date_trunc('day', {column})) FROM {quote(table)}"  # noqa: S608
            if con.execute(sql).fetchall()[0][0]:
                con.execute(f"ALTER TABLE {quote(table)} ALTER {column} TYPE DATE")


def _first_line(problem: Exception, path: Path) -> str:
    line = str(problem).split("\n", 1)[0].replace(str(path), path.name)
    return line.partition("Error: ")[2][:200] or line[:200]
