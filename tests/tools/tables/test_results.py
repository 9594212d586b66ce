"""Results of every DuckDB type, as text, number, boolean or NULL."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.tools.tables.conftest import Ask
from tools.errors import ToolFailed
from tools.tables import asking
from tools.tables.names import TableFile

TYPES = {
    "BOOLEAN": ("true", True),
    "TINYINT": ("-128", -128),
    "SMALLINT": ("-32768", -32768),
    "INTEGER": ("-2147483648", -2147483648),
    "BIGINT": ("9007199254740992", 9007199254740992),
    "UTINYINT": ("255", 255),
    "USMALLINT": ("65535", 65535),
    "UINTEGER": ("4294967295", 4294967295),
    "UBIGINT": ("18446744073709551615", "18446744073709551615"),
    "HUGEINT": ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
    "UHUGEINT": ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
    "BIGNUM": (
        "12345678901234567890123456789012345678901234567890",
        "12345678901234567890123456789012345678901234567890",
    ),
    "FLOAT": ("0.1", 0.1),
    "DOUBLE": ("1.5", 1.5),
    "DECIMAL(9,2)": ("12.50", 12.5),
    "DECIMAL(38,10)": ("9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
    "VARCHAR": ("a duck 🦆", "a duck 🦆"),
    "BLOB": ("a\\x00b", "a\\x00b"),
    "BIT": ("10101", "10101"),
    "UUID": ("ffffffff-ffff-4fff-8fff-ffffffffffff", "ffffffff-ffff-4fff-8fff-ffffffffffff"),
    "ENUM('a', 'b')": ("b", "b"),
    "DATE": ("2024-03-31", "2024-03-31"),
    "TIME": ("24:00:00", "24:00:00"),
    "TIME_NS": ("10:00:00.123456789", "10:00:00.123456789"),
    "TIME WITH TIME ZONE": ("10:00:00+05:30", "10:00:00+05:30"),
    "TIMESTAMP": ("2024-03-31 01:30:00.25", "2024-03-31 01:30:00.25"),
    "TIMESTAMP_S": ("2024-03-31 01:30:00", "2024-03-31 01:30:00"),
    "TIMESTAMP_MS": ("2024-03-31 01:30:00.123", "2024-03-31 01:30:00.123"),
    "TIMESTAMP_NS": ("2024-03-31 01:30:00.123456789", "2024-03-31 01:30:00.123456789"),
    "TIMESTAMP WITH TIME ZONE": ("2024-03-31 03:30:00+02", "2024-03-31 01:30:00+00"),
    "TIMESTAMPTZ_NS": ("2024-03-31 03:30:00.123456789+02", "2024-03-31 01:30:00.123456789+00"),
    "INTERVAL": ("1 month 3 days", "1 month 3 days"),
    "INTEGER[]": ("[1, NULL, 3]", "[1, NULL, 3]"),
    "INTEGER[2]": ("[1, 2]", "[1, 2]"),
    "TIMESTAMP WITH TIME ZONE[]": ("[2024-03-31 03:30:00+02]", "['2024-03-31 01:30:00+00']"),
    "STRUCT(a INTEGER, b VARCHAR)": ("{'a': 1, 'b': x}", "{'a': 1, 'b': x}"),
    "MAP(VARCHAR, INTEGER)": ("{k=1}", "{k=1}"),
    "UNION(n INTEGER, s VARCHAR)": ("x", "x"),
    "JSON": ('{"a": [1, 2]}', '{"a": [1, 2]}'),
}
# Extreme values, beyond the range of Python's types.
EDGES = {
    "DATE 'infinity'": "infinity",
    "DATE '-infinity'": "-infinity",
    "DATE '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "TIMESTAMP '294247-01-10 04:00:54.775806'": "294247-01-10 04:00:54.775806",
    "TIMESTAMPTZ 'infinity'": "infinity",
    "INTERVAL '100000 years'": "100000 years",
    "'nan'::DOUBLE": "NaN",
    "'inf'::DOUBLE": "Infinity",
    "'-inf'::FLOAT": "-Infinity",
    "9007199254740993::BIGINT": "9007199254740993",
    "1e300::DOUBLE": 1e300,
    "1.10::DECIMAL(38,30)": 1.1,
    "0.1234567890123456789::DECIMAL(20,19)": "0.1234567890123456789",
    "NULL": None,
    "{'a': NULL}": "{'a': NULL}",
    "(1, 'x')": "(1, x)",
}


@pytest.fixture(autouse=True)
def _one_table(workspace_dir: Path) -> None:
    (workspace_dir / "t.csv").write_text("n\n1\n")


@pytest.mark.parametrize("kind", TYPES)
def test_a_value_of_every_type_arrives(ask: Ask, kind: str) -> None:
    written, expected = TYPES[kind]
    literal = written.replace("'", "''")

    answer = ask(f"SELECT CAST('{literal}' AS {kind}) AS v, CAST(NULL AS {kind}) AS nothing")

    assert answer.rows == [[expected, None]]


@pytest.mark.parametrize("value", EDGES)
def test_values_that_python_has_no_type_for_arrive(ask: Ask, value: str) -> None:
    assert ask(f"SELECT {value} AS v").rows == [[EDGES[value]]]


def test_no_type_of_duckdb_is_left_out(ask: Ask) -> None:
    columns = [name for name, *_ in duckdb.sql("DESCRIBE FROM test_all_types()").fetchall()]

    for name in columns:
        answer = ask(f'FROM test_all_types() SELECT "{name}"')

        assert [type(cell) in {str, int, float, bool, type(None)} for (cell,) in answer.rows] == [True] * 3
        json.dumps(answer.rows, allow_nan=False)


def test_times_with_a_zone_keep_the_order_and_the_number_of_rows(ask: Ask) -> None:
    answer = ask(
        "SELECT TIMESTAMPTZ '2024-01-01 00:00+00' + to_days(range::INT) AS at, range AS n "
        "FROM range(50) ORDER BY n DESC",
        max_rows=2,
    )

    assert answer.rows == [["2024-02-19 00:00:00+00", 49], ["2024-02-18 00:00:00+00", 48]]
    assert answer.row_count == 50


def test_the_time_now_can_be_asked(ask: Ask) -> None:
    ((now, text),) = ask("SELECT now() AS now, strftime(now(), '%Y') AS text").rows

    assert now.startswith(text)
    assert now.endswith("+00")


def test_columns_of_one_name_stay_apart_beside_a_type_that_is_converted(ask: Ask) -> None:
    answer = ask("SELECT 1 AS a, DATE '2024-01-02' AS a, 2 AS a")

    assert [column.name for column in answer.columns] == ["a", "a_1", "a_2"]
    assert answer.rows == [[1, "2024-01-02", 2]]


def test_no_path_and_no_traceback_reaches_the_model() -> None:
    raw = (
        "Invalid Input Error: Required module 'pytz' failed to import in '/srv/app/tools/x.py' while reading "
        "/data/runs/7/t.csv at a/b, asked for '/etc/hosts'\n"
        'Traceback (most recent call last):\n  File "/srv/app/tools/limited_process.py", line 126'
    )

    said = asking.explain(duckdb.Error(raw), "SELECT '/etc/hosts'", [TableFile("t", "t.csv")])

    assert said == (
        "Invalid Input Error: Required module 'pytz' failed to import in '…' while reading … at a/b, asked for "
        "'/etc/hosts' Tables of this run: t (t.csv)."
    )


def test_a_failed_cast_names_no_path_of_the_server(ask: Ask, workspace_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed) as refused:
        ask("SELECT CAST('x' AS INTEGER) FROM t")

    assert "Could not convert string 'x'" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)
