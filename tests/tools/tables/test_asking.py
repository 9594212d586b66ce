"""Files of any kind: the query works, or one sentence says why not."""

from __future__ import annotations

import datetime as dt
import io
import random
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.tools.tables.conftest import Ask
from tools import limited_process, tables
from tools.errors import ToolFailed
from tools.tables import names as table_names


def names(answer: tables.TableAnswer) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in answer.columns]


READABLE = {
    "commas": (b"name,n\nbob,1\nal,2\n", ["name", "n"], [["bob", 1], ["al", 2]], []),
    "semicolons, BOM, decimal commas, day first": (
        "\ufeffName;Betrag;Datum\nMüller;1.234,56;31.12.2024\n".encode(),
        ["Name", "Betrag", "Datum"],
        [["Müller", 1234.56, "2024-12-31"]],
        ["data.csv: Read decimal commas as numbers in: Betrag."],
    ),
    "quotes with delimiters and line ends": (
        b'a,b\n"he said ""hi""","x\ny,z"\n2,3\n',
        ["a", "b"],
        [['he said "hi"', "x\ny,z"], ["2", "3"]],
        [],
    ),
    "latin-1": (
        "name,city\nJosé,Málaga\n".encode("latin-1"),
        ["name", "city"],
        [["José", "Málaga"]],
        ["data.csv: Read as Windows-1252, because it is not UTF-8. If names look wrong, save it as UTF-8."],
    ),
    "latin-1 far behind the first bytes": (
        b"name,n\n" + b"bob,1\n" * 60_000 + "José,2\n".encode("latin-1"),
        ["count"],
        [[60_001]],
        ["data.csv: Read as Windows-1252, because it is not UTF-8. If names look wrong, save it as UTF-8."],
    ),
    "utf-16": (
        "a\tb\n1\té\n".encode("utf-16"),
        ["a", "b"],
        [[1, "é"]],
        ["data.csv: Read as UTF-16, because it is not UTF-8."],
    ),
    "pipes": (b"a|b\n1|2\n", ["a", "b"], [[1, 2]], []),
    "old Mac line ends": (b"a,b\r1,2\r3,4\r", ["a", "b"], [[1, 2], [3, 4]], []),
    "mixed line ends": (b"a,b\r\n1,2\n3,4\r\n", ["a", "b"], [[1, 2], [3, 4]], []),
    "one column": (b"x\n1\n2\n", ["x"], [[1], [2]], []),
    "header only": (b"a,b,c\n", ["a", "b", "c"], [], []),
    "header without a line end": (b"a,b,c", ["a", "b", "c"], [], []),
    "no header": (b"1,2\n3,4\n", ["column0", "column1"], [[1, 2], [3, 4]], []),
    "same name twice and no name": (b"a,a,\n1,2,3\n", ["a", "a_1", "column2"], [[1, 2, 3]], []),
    "codes keep their zeros": (b"zip,n\n00123,1\n", ["zip", "n"], [["00123", 1]], []),
    "late text makes a column text": (
        b"a,b\n" + b"1,2\n" * 50_000 + b"x,3\n",
        ["count"],
        [[50_001]],
        [
            "data.csv: a stays text: 50,000 of its 50,001 values are numbers, but not 'x'. TRY_CAST(… AS DOUBLE) reads "
            "the others."
        ],
    ),
    "titles above the header": (
        b"Report of 2024\n\na,b\n1,2\n3,4\n",
        ["a", "b"],
        [[1, 2], [3, 4]],
        ["data.csv: Skipped the first 2 rows above the header."],
    ),
    "rows of uneven length lose nothing": (
        b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n",
        ["a", "b", "c", "column3"],
        [[1, 2, 3, None], [4, 5, None, None], [6, 7, 8, 9]],
        ["data.csv: 2 of 3 rows have more or fewer fields than the others; gaps are NULL."],
    ),
    "a quotation mark that is never closed": (
        b'a,b\n1,"abc\n2,3\n',
        ["a", "b"],
        [[1, '"abc'], [2, "3"]],
        ['data.csv: 1 row has quotation marks that are not doubled or not closed and was read as it stands: 1,"abc'],
    ),
    "dates, times and booleans": (
        b"d,t,ok\n2024-01-02,2024-01-02 10:30,true\n2024-01-03,2024-01-03 11:00,false\n",
        ["d", "t", "ok"],
        [["2024-01-02", "2024-01-02 10:30:00", True], ["2024-01-03", "2024-01-03 11:00:00", False]],
        [],
    ),
    "a line of three megabytes": (b"a,b\n1," + b"x" * 3_000_000 + b"\n", ["length"], [[3_000_000]], []),
}
COUNTED = {
    "latin-1 far behind the first bytes": "SELECT count(*) AS count FROM data",
    "late text makes a column text": "SELECT count(*) AS count FROM data",
    "a line of three megabytes": "SELECT length(b) AS length FROM data",
}


@pytest.mark.parametrize("case", READABLE)
def test_a_csv_is_read(ask: Ask, workspace_dir: Path, case: str) -> None:
    content, columns, rows, notes = READABLE[case]
    (workspace_dir / "data.csv").write_bytes(content)

    answer = ask(COUNTED.get(case, "SELECT * FROM data"))

    assert [column.name for column in answer.columns] == columns
    assert answer.rows == rows
    assert answer.row_count == len(rows)
    assert answer.notes == notes


NOISE = random.Random(7).randbytes(100_000)  # noqa: S311 - always the same: other bytes may begin like a known kind
UNREADABLE = {
    "data.csv": {
        "is empty": b"",
        "is empty: it has no header": b"\n \n\n",
        "holds binary data": NOISE,
        "it is a picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "it is a PDF document": b"%PDF-1.7\n",
        "it is an old Excel file (.xls). Save it as .xlsx or CSV": b"\xd0\xcf\x11\xe0" + bytes(500),
        "it is a zip archive": b"PK\x03\x04" + bytes(500),
        "it is a compressed file (gzip)": b"\x1f\x8b" + bytes(500),
    },
    "data.parquet": {"cannot be read as Parquet": NOISE[:5000]},
    "data.xlsx": {"is not an Excel workbook": NOISE[:5000]},
}


@pytest.mark.parametrize(
    ("name", "why"), [(name, why) for name, cases in UNREADABLE.items() for why in cases], ids=lambda value: value[:40]
)
def test_what_cannot_be_a_table_is_said_in_one_sentence(ask: Ask, workspace_dir: Path, name: str, why: str) -> None:
    (workspace_dir / name).write_bytes(UNREADABLE[name][why])

    with pytest.raises(ToolFailed) as refused:
        ask("SELECT * FROM data")

    said = str(refused.value)
    assert why in said
    assert said.startswith(f"'{name}'")
    assert len(said) < 200
    assert str(workspace_dir) not in said


def test_fifty_megabytes_are_read_in_seconds(ask_confined: Ask, workspace_dir: Path) -> None:
    line = '{0};"Müller; {0}";{1},50;"some ""text"" that makes the row longer, as people write it"\n'
    with (workspace_dir / "big.csv").open("w") as file:
        file.write("id;name;amount;note\n")
        file.writelines(line.format(i, i % 97) for i in range(600_000))
    assert (workspace_dir / "big.csv").stat().st_size > 50_000_000
    started = time.monotonic()

    answer = ask_confined("SELECT count(*), sum(amount), count(DISTINCT name) FROM big")

    assert answer.rows == [[600_000, float(sum(i % 97 + 0.5 for i in range(600_000))), 600_000]]
    assert answer.sources == ["big (big.csv, 600,000 rows)"]
    assert time.monotonic() - started < 30


def test_an_excel_file_is_a_table_for_each_sheet(ask: Ask, workspace_dir: Path) -> None:
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = "Q1 2024"
    midnight, later = dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3, 4, 5)  # noqa: DTZ001 - Excel knows no zones
    for row in (
        ["Report"],
        [],
        ["Name", "Qty", "When", "Day", "Ok", "Bad"],
        ["a", 1.0, midnight, midnight, True, "#N/A"],
        ["b, c", 2.5, later, None, None, None],
    ):
        first.append(row)
    book.create_sheet("Zwei").append(["x"])
    book["Zwei"].append([3])
    book.save(workspace_dir / "Book One.xlsx")

    one, two = ask("SELECT * FROM book_one_q1_2024"), ask("SELECT * FROM book_one_zwei")

    assert [column.name for column in one.columns] == ["Name", "Qty", "When", "Day", "Ok", "Bad"]
    assert one.rows == [
        ["a", 1.0, "2024-01-02 00:00:00", "2024-01-02", True, None],
        ["b, c", 2.5, "2024-01-03 04:05:00", None, None, None],
    ]
    assert one.notes == [
        "Book One.xlsx, sheet Q1 2024: Skipped the first row above the header.",
        "Book One.xlsx, sheet Q1 2024: 1 cell holds an Excel error (#N/A) and is NULL.",
    ]
    assert two.rows == [[3]]


def test_a_workbook_with_one_sheet_is_named_after_the_file(ask: Ask, workspace_dir: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["n"])
    book.active.append([7])
    book.save(workspace_dir / "Umsätze 2024.xlsx")

    assert ask("SELECT n FROM umsätze_2024").rows == [[7]]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(ask: Ask, workspace_dir: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(450 * 1024 * 1024))
    (workspace_dir / "bomb.xlsx").write_bytes(bomb.getvalue())
    assert len(bomb.getvalue()) < 1_000_000

    with pytest.raises(ToolFailed, match=r"^'bomb.xlsx' would unpack to more than 400 MB. Save it as CSV instead.$"):
        ask("SELECT * FROM bomb")


@pytest.mark.parametrize("place", [0, 100])
def test_a_million_members_are_refused_before_they_are_read(
    workspace_dir: Path, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + (46_000_000).to_bytes(4, "little") + bytes(6)
    (workspace_dir / "many.xlsx").write_bytes(b"PK\x03\x04" + bytes(1000) + end + bytes(place))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))

    assert [(source.table, source.sheet) for source in tables.tables(workspace_dir)] == [("many", "")]


def test_xml_entities_are_not_expanded(ask: Ask, workspace_dir: Path) -> None:
    laughs = (
        '<!DOCTYPE b [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<sheets><sheet name="&b;"/></sheets></workbook>'
    )
    with zipfile.ZipFile(workspace_dir / "laughs.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", laughs)

    with pytest.raises(ToolFailed, match="is not an Excel workbook"):
        ask("SELECT * FROM laughs")


def test_parquet_keeps_its_types(ask: Ask, workspace_dir: Path) -> None:
    import duckdb

    duckdb.sql(
        "COPY (SELECT range AS i, DATE '2024-01-01' AS d, 1.5::DECIMAL(10,2) AS dec, [1, 2] AS list FROM range(3)) "  # noqa: S608
        f"TO '{workspace_dir / 'p.parquet'}' (FORMAT parquet)"
    )

    answer = ask("SELECT * FROM p")

    assert names(answer) == [("i", "BIGINT"), ("d", "DATE"), ("dec", "DECIMAL(10,2)"), ("list", "INTEGER[]")]
    assert answer.rows == [[i, "2024-01-01", 1.5, "[1, 2]"] for i in range(3)]


def test_tables_are_named_after_their_files(workspace_dir: Path) -> None:
    for name in ("support-tickets.csv", "2024 data.tsv", "sub/a.csv", "same.csv", "same.parquet", "notes.txt"):
        (workspace_dir / name).parent.mkdir(exist_ok=True)
        (workspace_dir / name).write_text("a,b\n1,2\n")

    assert {source.file: source.table for source in tables.tables(workspace_dir)} == {
        "support-tickets.csv": "support_tickets",
        "2024 data.tsv": "t_2024_data",
        "sub/a.csv": "sub_a",
        "same.csv": "same_csv",
        "same.parquet": "same_parquet",
    }


def test_a_file_name_works_as_a_table_name(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "support-tickets.csv").write_text("a\n1\n")

    assert ask("SELECT * FROM 'support-tickets.csv'").rows == [[1]]
    assert ask('SELECT * FROM "support-tickets.csv"').rows == [[1]]


def test_an_unreadable_file_does_not_stop_a_query_that_does_not_need_it(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "good.csv").write_text("bad\n1\n")
    (workspace_dir / "bad.csv").write_bytes(b"")

    answer = ask("SELECT bad FROM good")

    assert answer.rows == [[1]]
    assert answer.sources == ["good (good.csv, 1 rows)"]
    assert answer.notes == []


def test_a_file_that_cannot_be_read_is_noted_where_every_table_is_asked_for(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "good.csv").write_text("bad\n1\n")
    (workspace_dir / "bad.csv").write_bytes(b"")

    answer = ask("SHOW TABLES")

    assert answer.rows == [["good"]]
    assert answer.notes == ["'bad.csv' is empty: it has no header and no rows."]


@pytest.mark.parametrize("word", ["order", "group", "select", "left"])
def test_a_file_named_like_a_keyword_is_a_table(ask: Ask, workspace_dir: Path, word: str) -> None:
    (workspace_dir / f"{word}.csv").write_text("n\n1\n")
    (workspace_dir / "other.csv").write_text("n\n2\n")

    assert ask(f"FROM t_{word}").rows == [[1]]
    assert ask(f'FROM "{word}"').rows == [[1]]
    assert ask(f"FROM '{word}.csv'").rows == [[1]]
    assert ask("SELECT n FROM other ORDER BY n").sources == ["other (other.csv, 1 rows)"]


def test_no_table_has_the_name_of_a_keyword() -> None:
    import duckdb

    kept = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"

    assert {word for (word,) in duckdb.execute(kept).fetchall()} == table_names.RESERVED


def test_the_true_row_count_is_told_and_the_rows_are_capped(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("n\n" + "\n".join(map(str, range(5000))))

    answer = ask("SELECT n FROM data ORDER BY n DESC -- all of them", max_rows=3)

    assert answer.rows == [[4999], [4998], [4997]]
    assert answer.row_count == 5000


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE data",
        "SUMMARIZE data",
        "SHOW TABLES",
        "FROM data",
        "EXPLAIN SELECT * FROM data",
        "PIVOT data ON a USING count(*)",
        "WITH x AS (SELECT 1) SELECT * FROM x, data;",
    ],
)
def test_every_reading_statement_works(ask: Ask, workspace_dir: Path, sql: str) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n1,2\n")

    assert ask(sql).row_count >= 1


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE data",
        "INSERT INTO data VALUES (1, 2)",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; SELECT 2",
        "COPY data TO '{root}/out.csv'",
        "ATTACH '{root}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 8",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPORT DATABASE '{root}/out'",
        "",
        "-- nothing",
        "WITH x AS (INSERT INTO data VALUES (5, 6) RETURNING *) SELECT * FROM x",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_blob('{root}/data.csv')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SELECT * FROM known",
        "SELECT * FROM duckdb_secrets()",
    ],
)
def test_sql_cannot_write_or_leave_the_tables(ask_confined: Ask, workspace_dir: Path, sql: str) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ToolFailed) as refused:
        ask_confined(sql.replace("{root}", str(workspace_dir)))

    assert "root:" not in str(refused.value)
    assert [path.name for path in workspace_dir.iterdir()] == ["data.csv"]


def test_a_missing_table_is_answered_with_those_that_exist(ask: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ToolFailed) as missing_table:
        ask("SELECT * FROM tickets")
    with pytest.raises(ToolFailed) as missing_column:
        ask("SELECT amount FROM data")

    assert str(missing_table.value) == "There is no table tickets. Tables of this run: data (data.csv)."
    assert 'column "amount" not found' in str(missing_column.value)
    assert "Candidate bindings" in str(missing_column.value)


def test_a_run_without_tables_says_so(ask: Ask) -> None:
    with pytest.raises(ToolFailed, match="has no CSV, TSV, Excel, Parquet or JSON file"):
        ask("SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM (SELECT unnest(range(500000000))), data",
        "SELECT length(repeat('x', 1500000000)) FROM data",
        "SELECT len(list(range)) FROM range(300000000), data",
    ],
)
def test_memory_is_limited(ask_confined: Ask, workspace_dir: Path, sql: str) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ToolFailed, match=r"more than the .* of memory"):
        ask_confined(sql)


def test_time_is_limited(ask_confined: Ask, workspace_dir: Path) -> None:
    (workspace_dir / "data.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ToolFailed, match=r"^It took longer than 1 seconds and was stopped"):
        ask_confined(
            "SELECT sum(x.range * y.range) FROM range(1000000) x, range(1000000) y, data",
            limits=limited_process.Limits(timeout_s=1, memory_mb=1536),
        )


def test_a_profile_counts_exactly(workspace_dir: Path) -> None:
    rows = "\n".join(f"{i},{'red' if i % 3 else 'blue'},{i if i % 2 else ''}" for i in range(3000))
    (workspace_dir / "data.csv").write_text(f"id,colour,odd\n{rows}\n")

    found = tables.profile(workspace_dir, "data", cancelled=lambda: False)

    assert found == [
        tables.ColumnProfile("id", "BIGINT", 3000, 3000, 3000, 0, 2999),
        tables.ColumnProfile("colour", "VARCHAR", 3000, 3000, 2, "blue", "red"),
        tables.ColumnProfile("odd", "BIGINT", 3000, 1500, 1500, 1, 2999),
    ]
    assert [column.null_share for column in found] == [0.0, 0.0, 0.5]
