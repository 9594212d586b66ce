from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from tools import runner
from tools.builtin import query_table
from tools.spec import ToolContext, ToolResult

TICKETS = Path(__file__).parents[3] / "docs/examples/support-tickets.csv"


def ask(ctx: ToolContext, sql: str) -> ToolResult:
    return runner.run_tool(query_table.SPEC, ctx, {"sql": sql})


@pytest.fixture
def tickets(ctx: ToolContext) -> list[dict[str, str]]:
    (ctx.workspace / TICKETS.name).write_bytes(TICKETS.read_bytes())
    with TICKETS.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_example_tickets_are_counted_truly(ctx: ToolContext, tickets: list[dict[str, str]]) -> None:
    counted = Counter(row["category"] for row in tickets if row["refunded"] == "true")
    refunded = sum(float(row["refund_usd"]) for row in tickets if row["refund_usd"])

    groups = ask(
        ctx, "SELECT category, count(*) AS n FROM support_tickets WHERE refunded GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    total = ask(ctx, "SELECT count(*), round(sum(refund_usd), 2) FROM support_tickets")

    assert groups.data["rows"] == [list(pair) for pair in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))]
    assert total.data["rows"] == [[len(tickets), round(refunded, 2)]]
    assert groups.summary == f"Got {len(counted)} rows from support-tickets.csv"


def test_the_model_reads_a_markdown_table(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text('name,n\n"a|b\nc",1.5\nnone,\n')

    answer = ask(ctx, "SELECT * FROM t")

    assert answer.content == (
        "| name | n |\n| --- | --- |\n| a\\|b\\nc | 1.5 |\n| none | NULL |\n2 rows.\nRead: t (t.csv, 2 rows)."
    )
    assert answer.data == {
        "columns": ["name", "n"],
        "rows": [["a|b\nc", 1.5], ["none", None]],
        "row_count": 2,
        "notes": [],
    }


def test_many_rows_are_capped_and_the_true_number_is_told(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text("n\n" + "\n".join(map(str, range(1000))))

    answer = ask(ctx, "FROM t")

    assert answer.content.split("\n")[2:202] == [f"| {i} |" for i in range(200)]
    assert "| 200 |" not in answer.content
    assert "1,000 rows in all; the first 200 are shown." in answer.content
    assert answer.summary == "Got 1,000 rows from t.csv"
    assert (len(answer.data["rows"]), answer.data["row_count"]) == (50, 1000)


def test_a_wrong_query_is_an_error_that_helps(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text("n\n1\n")

    answer = ask(ctx, "SELECT * FROM tickets")

    assert answer.is_error
    assert answer.content == "There is no table tickets. Tables of this run: t (t.csv)."
    assert answer.summary == "Query a table: There is no table tickets. Tables of this run: t (t.csv)."


def test_the_headline_shows_the_sql_on_one_line() -> None:
    assert query_table.SPEC.headline({"sql": "SELECT *\n  FROM t"}) == "Query: SELECT * FROM t"
