"""Tools read_file, write_file and list_files."""

from __future__ import annotations

import pytest

from tools import catalog, runner
from tools.spec import ToolContext, ToolResult


def call(tool: str, ctx: ToolContext, **arguments: object) -> ToolResult:
    return runner.run_tool(catalog.builtin(tool), ctx, arguments)


def test_a_file_is_written_listed_and_read(ctx: ToolContext) -> None:
    written = call("write_file", ctx, path="notes/report.md", content="# Grüße\nline 2\n")
    listed = call("list_files", ctx)
    read = call("read_file", ctx, path="notes/report.md")

    assert written.content == "Wrote notes/report.md: 17 bytes, 2 lines."
    assert written.data == {"path": "notes/report.md", "size": 17}
    assert listed.content == "| file | size | table |\n| --- | --- | --- |\n| notes/report.md | 17 bytes |  |"
    assert read.content == "# Grüße\nline 2"
    assert read.summary == "Read 2 lines of notes/report.md"
    assert (ctx.workspace / "notes/report.md").read_bytes() == "# Grüße\nline 2\n".encode()


def test_tables_are_listed_under_the_name_that_sql_knows(ctx: ToolContext) -> None:
    (ctx.workspace / "support-tickets.csv").write_bytes(b"a\n" * 1000)
    (ctx.workspace / "a|b.txt").write_bytes(b"x" * 3_000_000)

    listed = call("list_files", ctx)

    assert listed.content.split("\n")[2:] == [
        "| a\\|b.txt | 2.9 MB |  |",
        "| support-tickets.csv | 2.0 KB | support_tickets |",
    ]
    assert call("list_files", ctx, pattern="*.csv").summary == "Found 1 file"
    assert call("list_files", ctx, pattern="*.pdf").content == "No file of this run fits '*.pdf'."


def test_an_empty_run_says_so(ctx: ToolContext) -> None:
    assert call("list_files", ctx).content == "This run has no files yet."


def test_a_part_of_a_long_file_is_read(ctx: ToolContext) -> None:
    (ctx.workspace / "long.txt").write_text("\n".join(f"line {i}" for i in range(1, 1001)))

    first = call("read_file", ctx, path="long.txt", limit=2)
    last = call("read_file", ctx, path="long.txt", offset=999)
    beyond = call("read_file", ctx, path="long.txt", offset=2000)

    assert first.content == "line 1\nline 2\n[Lines 1 to 2; the file goes on. Continue with offset=3.]"
    assert last.content == "line 999\nline 1000"
    assert beyond.content == "'long.txt' has fewer than 2,000 lines."


def test_very_long_lines_are_cut(ctx: ToolContext) -> None:
    (ctx.workspace / "wide.txt").write_text("x" * 1_000_000 + "\nnext\n")

    read = call("read_file", ctx, path="wide.txt")

    assert read.content == "x" * 4000 + "… [line cut]\nnext"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_any_encoding_is_read(ctx: ToolContext, encoding: str) -> None:
    (ctx.workspace / "text.txt").write_bytes("Viele Grüße aus Köln\r\nund Málaga".encode(encoding))

    assert call("read_file", ctx, path="text.txt").content == "Viele Grüße aus Köln\nund Málaga"


def test_one_line_in_another_encoding_changes_no_other(ctx: ToolContext) -> None:
    (ctx.workspace / "a.txt").write_bytes("Zoë\n北京\n".encode() + "Müller\n".encode("latin-1"))

    assert call("read_file", ctx, path="a.txt").content == "Zoë\n北京\nMüller"


def test_a_binary_file_is_not_read(ctx: ToolContext) -> None:
    (ctx.workspace / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))

    read = call("read_file", ctx, path="photo.png")

    assert read.is_error
    assert read.content.startswith("'photo.png' is not a text file (2,008 bytes of binary data)")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a\x00b"])
@pytest.mark.parametrize("tool", ["read_file", "write_file"])
def test_names_that_lead_elsewhere_are_refused(ctx: ToolContext, tool: str, path: str) -> None:
    extra = {"content": "x"} if tool == "write_file" else {}

    result = call(tool, ctx, path=path, **extra)

    assert result.is_error
    assert list(ctx.workspace.parent.iterdir()) == [ctx.workspace]
    assert list(ctx.workspace.iterdir()) == []


def test_what_a_file_holds_cannot_dress_up_the_answer(ctx: ToolContext) -> None:
    (ctx.workspace / "log.txt").write_bytes(b"\x1b[31mred\x1b[0m \xe2\x80\xaeevil")

    assert call("read_file", ctx, path="log.txt").content == "red evil"


def test_too_much_text_is_refused_before_it_is_written(ctx: ToolContext) -> None:
    result = call("write_file", ctx, path="big.txt", content="x" * 1_000_001)

    assert result.is_error
    assert result.content == "The arguments of write_file do not fit: 'content' may have at most 1,000,000 characters."
    assert list(ctx.workspace.iterdir()) == []


def test_half_a_character_from_a_model_is_stored_as_a_question_mark(ctx: ToolContext) -> None:
    call("write_file", ctx, path="a.txt", content="x\ud800")

    assert (ctx.workspace / "a.txt").read_bytes() == b"x?"
