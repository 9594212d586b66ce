"""Conversion of web pages to text for a model.

Headings, paragraphs, lists, tables and links become light Markdown. Only text comes out; nothing is ever rendered from
it. Runs in a limited child, because the standard parser takes quadratic time on some hostile pages.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_SKIPPED = {
    *("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "button"),
}
_BLOCKS = {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
    ),
    *("footer", "form", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tr", "ul"),
}
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_MAX_LINK = 500
"""Characters of a link's URL; longer ones are left out."""


def in_child(path: str, encoding: str, base: str, scratch: str) -> dict[str, str]:
    """Return title and text of the page in a file."""
    with open(path, encoding=encoding, errors="replace", newline="") as file:
        return to_text(file.read(), base)


def to_text(html: str, base: str) -> dict[str, str]:
    """Return {"title", "text"} of a page; links are made absolute with `base`."""
    reader = _Reader(base)
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return {"title": " ".join("".join(reader.title).split()), "text": text}


class _Reader(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title: list[str] = []
        self._base = base
        self._skipping: list[str] = []
        self._in_title = False
        self._link = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = not self.title
        elif self._skipping or tag in _SKIPPED or _is_hidden(dict(attrs)):
            if tag not in _VOID:
                self._skipping.append(tag)
        elif tag in _HEADINGS:
            self.parts.append("\n\n" + _HEADINGS[tag])
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in {"td", "th"}:
            self.parts.append(" | ")
        elif tag == "a":
            self._open_link(dict(attrs).get("href") or "")
        elif tag == "img":
            self.parts.append(dict(attrs).get("alt") or "")
        elif tag == "br" or tag in _BLOCKS:
            self.parts.append("\n" if tag in {"br", "tr"} else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        elif self._skipping:
            if tag in self._skipping:
                while self._skipping.pop() != tag:
                    pass
        elif tag == "a" and self._link:
            self.parts.append(f"]({self._link})")
            self._link = ""
        elif tag in _HEADINGS or (tag in _BLOCKS and tag != "tr"):
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._skipping:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _open_link(self, href: str) -> None:
        """Begin a link, unless it is no web link, too long, or to the page itself."""
        try:
            link = urljoin(self._base, href.strip()).partition("#")[0]
        except ValueError:
            return
        link = re.sub(r"[\s\"<>\\^`{|}()]", lambda found: f"%{ord(found[0]):02X}", link)
        is_useful = link.startswith(("http://", "https://")) and len(link) <= _MAX_LINK and link != self._base
        if is_useful and not self._link:
            self._link = link
            self.parts.append("[")


def _is_hidden(attrs: dict[str, str | None]) -> bool:
    """Return True if people do not see the element. Hidden text is where pages put instructions to models."""
    style = (attrs.get("style") or "").replace(" ", "").lower()
    return (
        "hidden" in attrs
        or attrs.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
    )
