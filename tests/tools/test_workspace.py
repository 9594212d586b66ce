from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import workspace
from tools.errors import ToolFailed

OUTSIDE = [
    "../secret.txt",
    "a/../../secret.txt",
    "/etc/passwd",
    "..",
    ".",
    "/",
    "",
    "   ",
    "a\x00b",
    "a\nb",
    "..\\secret.txt",
    "C:\\x",
    "inv\u202eoice.txt",
    "zero\u200bwidth.txt",
    ".hidden",
    "..hidden/x",
    "folder / file.txt",
    "x" * 256,
    "é" * 128,
    "/".join("a" * 12),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_is_refused_for_reading_and_writing(root: Path, name: str) -> None:
    with pytest.raises(ToolFailed):
        workspace.open_read(root, name)
    with pytest.raises(ToolFailed):
        workspace.write(root, name, b"x")

    assert list(root.rglob("*")) == []
    assert sorted(path.name for path in root.parent.iterdir()) == ["run", "secret.txt"]
    assert (root.parent / "secret.txt").read_text() == "secret"


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("report.md", "report.md"),
        (" ./a//b/./c.txt ", "a/b/c.txt"),
        ("%2e%2e/x", "%2e%2e/x"),
        ("Cafe\u0301.csv", "Café.csv"),
        ("é" * 127, "é" * 127),
        ("~/x", "~/x"),
    ],
)
def test_a_name_has_one_spelling(root: Path, name: str, normal: str) -> None:
    assert workspace.write(root, name, b"x") == normal

    assert (root / normal).read_bytes() == b"x"
    with workspace.open_read(root, name) as file:
        assert file.read() == b"x"


def test_links_are_never_followed(root: Path) -> None:
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "folder").symlink_to(root.parent)

    for name in ("link.txt", "folder/secret.txt"):
        with pytest.raises(ToolFailed, match="There is no file"):
            workspace.open_read(root, name)
    with pytest.raises(ToolFailed):
        workspace.write(root, "folder/new.txt", b"x")
    assert workspace.write(root, "link.txt", b"replaced") == "link.txt"

    assert (root / "link.txt").is_symlink() is False
    assert (root.parent / "secret.txt").read_text() == "secret"
    assert not (root.parent / "new.txt").exists()


def test_pipes_and_folders_are_not_files(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "folder").mkdir()

    for name in ("pipe", "folder"):
        with pytest.raises(ToolFailed, match="There is no file"):
            workspace.open_read(root, name)

    assert list(workspace.walk(root)) == []


def test_a_missing_file_is_answered_with_those_that_exist(root: Path) -> None:
    workspace.write(root, "a/data.csv", b"x")

    with pytest.raises(ToolFailed) as refused:
        workspace.open_read(root, "data.csv")

    assert str(refused.value) == "There is no file 'data.csv'. Files of this run: a/data.csv."


def test_walk_leaves_out_half_written_files(root: Path) -> None:
    workspace.write(root, "b.txt", b"12")
    workspace.write(root, "a/c.txt", b"123")
    (root / ".half").write_text("x")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("x")

    assert [(entry.name, entry.size) for entry in workspace.walk(root)] == [("b.txt", 2), ("a/c.txt", 3)]


def test_a_run_cannot_fill_the_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "MAX_BYTES", 10)
    monkeypatch.setattr(workspace, "MAX_FILES", 2)
    workspace.write(root, "a", b"12345")
    workspace.write(root, "b", b"12345")

    with pytest.raises(ToolFailed, match="already has 2 files"):
        workspace.write(root, "c", b"")
    with pytest.raises(ToolFailed, match="larger than"):
        workspace.write(root, "a", b"123456")
    workspace.write(root, "a", b"54321")

    assert {path.name: path.read_bytes() for path in root.iterdir()} == {"a": b"54321", "b": b"12345"}


def test_a_file_in_the_way_of_a_folder_is_said(root: Path) -> None:
    workspace.write(root, "a", b"x")

    with pytest.raises(ToolFailed, match="file in the way"):
        workspace.write(root, "a/b", b"x")
    (root / "folder").mkdir()
    with pytest.raises(ToolFailed, match="cannot be written"):
        workspace.write(root, "folder", b"x")

    assert sorted(path.name for path in root.iterdir()) == ["a", "folder"]
