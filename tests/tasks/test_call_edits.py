"""Differences between an edited call and the requested one: both are shown in full."""

from __future__ import annotations

import pytest

from tasks.forms import call_edits
from tasks.forms.call_edits import ArgumentChange, Line, Piece

LONG = "word " * 40


def change(before: object, after: object) -> ArgumentChange:
    return call_edits._change("body", before, after)


def side(lines: list[Line], kinds: tuple[str, str]) -> str:
    return "\n".join("".join(p.text for p in line.pieces) for line in lines if line.kind in kinds)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"Hi,\n{LONG}\nBye", f"Hi,\n{LONG}now\nBye\nPS"),
        ("a\nb\nc\n", "c\nb\na"),
        ("one\n\n\ntwo", "\n"),
        (LONG, "short"),
        ("\n".join(map(str, range(3000))), "\n".join(map(str, range(3000, 0, -1)))),
        (["x" * 50, "y" * 50], ["x" * 50, "z" * 50]),
    ],
)
def test_both_sides_can_be_read_whole(before: object, after: object) -> None:
    found = change(before, after)

    assert side(list(found.lines), ("same", "del")) == found.before
    assert side(list(found.lines), ("same", "add")) == found.after
    assert found.is_changed


def test_a_changed_line_shows_its_changed_words() -> None:
    found = change("Dear Kim,\nit comes tomorrow.", "Dear Kim,\nit comes on Friday.")

    assert list(found.lines) == [
        Line("same", [Piece("same", "Dear Kim,")]),
        Line("del", [Piece("same", "it comes "), Piece("del", "tomorrow"), Piece("same", ".")]),
        Line("add", [Piece("same", "it comes "), Piece("add", "on Friday"), Piece("same", ".")]),
    ]


def test_what_does_not_show_is_written_out_in_the_difference() -> None:
    assert change("a", "a\u202eb") == ArgumentChange("body", True, "a", "a\\u202eb")
    assert change("a", "a") == ArgumentChange("body", False, "a", "a")
