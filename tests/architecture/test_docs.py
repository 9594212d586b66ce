"""References of the documents: files, headings and targets of the Makefile exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import pytest

from tests.architecture.code import ROOT, committed

_FENCED = re.compile(r"(?ms)^ *(```|~~~).*?^ *\1 *$")
_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"""\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)|<[^>]*?(?:href|src)="([^"]+)\"""", re.MULTILINE)
_HEADING = re.compile(r"(?m)^#{1,6} +(.+?) *#*$")
_MAKE = re.compile(r"(?:^|[\s`(])make ((?:[A-Z]+=\S+ )*)([a-z][a-z-]*)", re.MULTILINE)


def pages() -> list[Path]:
    """Return the documents for readers, relative to the root."""
    top = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    every = (path for path in committed() if path.suffix == ".md")
    return sorted(path for path in every if str(path) in top or path.parts[0] == "docs")


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    seen: Counter[str] = Counter()
    found = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    there = {page.as_posix(), *(path.as_posix() for path in committed())}
    there |= {parent.as_posix() for path in there for parent in PurePosixPath(path).parents}
    prose = _SPAN.sub("", _FENCED.sub("", text))
    broken = []
    for link in ("".join(parts) for parts in _LINK.findall(prose)):
        to = urlsplit(link)
        if to.scheme or to.netloc:
            continue
        target = normpath((page.parent / unquote(to.path)).as_posix()) if to.path else page.as_posix()
        if target not in there or (to.fragment and to.fragment not in anchors(_text(target, page, text))):
            broken.append(link)
    return broken


def _text(target: str, page: Path, text: str) -> str:
    return text if target == page.as_posix() else (ROOT / target).read_text()


def unknown_targets(text: str) -> list[str]:
    """Return the names of `make <target>` in code that the Makefile does not have."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    code = [found.group() for pattern in (_FENCED, _SPAN) for found in pattern.finditer(text)]
    return [name for part in code for _, name in _MAKE.findall(part) if name not in targets]


@pytest.mark.parametrize("page", pages(), ids=str)
def test_a_document_points_at_what_exists(page: Path) -> None:
    text = (ROOT / page).read_text()

    assert broken_links(page, text) == []
    assert unknown_targets(text) == []


def test_the_documents_are_found() -> None:
    found = {str(page) for page in pages()}

    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/map.md"} <= found
    assert any(name.startswith("docs/adr/") for name in found)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[a](map.md) [b](../README.md) [c](adr/) [d](https://example.com/x)", []),
        ("[a](map.md#the-staircase) [b](#here)\n\n## Here", []),
        ("`[a](nowhere.md)`\n\n```\n[b](nowhere.md)\n```", []),
        ("[a](nowhere.md)", ["nowhere.md"]),
        ("![a](pictures/nowhere.png)", ["pictures/nowhere.png"]),
        ("[a]: nowhere.md", ["nowhere.md"]),
        ('<img src="nowhere.png">', ["nowhere.png"]),
        ("[a](map.md#nowhere) [b](#there)\n\n## Here", ["map.md#nowhere", "#there"]),
        ("[a](../../outside.md)", ["../../outside.md"]),
    ],
)
def test_a_link_that_leads_nowhere_is_found(text: str, broken: list[str]) -> None:
    assert broken_links(Path("docs/page.md"), text) == broken


def test_a_target_that_does_not_exist_is_found() -> None:
    text = "It can make mistakes. `make up PORT=1`, `make nothing`\n\n```\nmake check\n$ make FAST=1 never\n```\n"

    assert sorted(unknown_targets(text)) == ["never", "nothing"]
