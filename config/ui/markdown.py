"""Markdown from models, tools and people, as safe HTML.

Raw HTML is text (but for <br>), images from elsewhere are replaced by their description, and only http, https and
mailto links and those to the run's files survive. The cleaner runs after the renderer, so a mistake in one of the two
is caught by the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from unicodedata import east_asian_width
from urllib.parse import unquote

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import isPunctChar
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, emphasis
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

Files = Mapping[str, Mapping[str, str]]
MAX_CHARS = 200_000
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"),
}
_BR = re.compile(r"<br\s*/?>", re.IGNORECASE)
_MATH = re.compile(r"\\\((.{1,400}?)\\\)|\\\[(.{1,2000}?)\\\]|\$\$(.{1,2000}?)\$\$", re.DOTALL)
_FORMULA = re.compile(r"[\\^_=+<>{}]|^\w$")
_TASK = re.compile(r"\[([ xX])\] ")
_LINK = re.compile(r"(?:https?://[^\s/\\]|mailto:)", re.IGNORECASE)


def plain(text: str) -> str:
    """Remove ANSI codes, NUL, and control and direction characters, which could deceive a reader."""
    return _UNSEEN.sub("", _ANSI.sub("", text))


def _resolve_files(state: StateCore) -> None:
    """Point images and links at the run's own files; unresolved ones become text.

    `![chart](https://elsewhere/x.png)` becomes "chart": a page must not tell other hosts that it was opened.
    """
    images, pages = state.env.get("images", {}), state.env.get("pages", {})
    for token in state.tokens:
        open_links: list[Token | None] = []
        kept: list[Token] = []
        for child in token.children or []:
            if child.type == "image":
                _resolve_image(child, images)
            elif child.type == "link_open":
                open_links.append(child if _resolve_link(child, pages) else None)
                if open_links[-1] is None:
                    continue
            elif child.type == "link_close" and open_links.pop() is None:
                continue
            kept.append(child)
        if token.children is not None:
            token.children = kept


def _resolve_image(image: Token, images: Mapping[str, str]) -> None:
    if src := images.get(_path(str(image.attrs["src"]))):
        image.attrs = {"src": src, "alt": "", "loading": "lazy"}
    else:
        image.type, image.tag, image.attrs = "text", "", {}
        image.content = f"[image: {image.content}]" if image.content else "[image]"


def _resolve_link(link: Token, pages: Mapping[str, str]) -> bool:
    """Return True if the link leads to a file of the run or to an allowed address."""
    href = str(link.attrs["href"])
    if page := pages.get(_path(href)):
        link.attrs["href"] = page
        return True
    return _LINK.match(href) is not None


def _path(address: str) -> str:
    return unquote(address).removeprefix("./")


def _show_tasks(state: StateCore) -> None:
    """Replace `- [x] done` by a ticked box as a character: there is no control to click."""
    tokens = state.tokens
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (item.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        first = inline.children[0] if inline.children else None
        if first and first.type == "text" and (box := _TASK.match(first.content)):
            first.content = ("☐ " if box[1] == " " else "☑ ") + first.content[box.end() :]


def _fit_into_page(state: StateCore) -> None:
    """Lower headings by one level, as the page has its own h1; replace alignment styles by a class."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type in ("th_open", "td_open") and token.attrs.pop("style", "") == "text-align:right":
            token.attrs["class"] = "num"


def _line_break(state: StateInline, silent: bool) -> bool:
    """Parse `<br>`, the only way to break a line inside a table cell."""
    found = _BR.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _math(state: StateInline, silent: bool) -> bool:
    r"""Parse `\(x_i\)`, `\[…\]` and `$$…$$` as code, so that backslashes and underscores stay as they are."""
    found = _MATH.match(state.src, state.pos)
    if found is None:
        return False
    text = " ".join(next(part for part in found.groups() if part is not None).split())
    if not _FORMULA.search(text):
        return False
    if not silent:
        state.push("code_inline", "code", 0).content = text
    state.pos = found.end()
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Parse emphasis by CommonMark's rule, except beside Chinese, Japanese and Korean, which have no spaces between
    words.

    There a full-width punctuation mark counts as a letter, so that the second half of **重要。**内容 can close.
    """
    marker = state.src[state.pos]
    if marker != "*" or silent:
        return emphasis.tokenize(state, silent)
    scanned = state.scanDelims(state.pos, True)
    before = state.src[state.pos - 1] if state.pos else " "
    end = state.pos + scanned.length
    after = state.src[end] if end < state.posMax else " "
    if not (_is_wide(before) or _is_wide(after)):
        return emphasis.tokenize(state, silent)
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=scanned.length,
                token=len(state.tokens) - 1,
                end=-1,
                open=_may_stand_inside(after, beside=before),
                close=_may_stand_inside(before, beside=after),
            )
        )
    state.pos = end
    return True


def _may_stand_inside(character: str, *, beside: str) -> bool:
    """Return True if emphasis may begin or end at this character, with `beside` outside of it."""
    if character.isspace():
        return False
    is_punctuation = isPunctChar(character) and not _is_wide(character)
    return not is_punctuation or beside.isspace() or isPunctChar(beside) or _is_wide(beside)


def _is_wide(character: str) -> bool:
    return east_asian_width(character) in "WF"


def _parser(*, breaks: bool) -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": breaks, "maxNesting": 40}).enable(
        ["table", "strikethrough", "linkify"]
    )
    # Only whole addresses: a file name such as report.md is not a host in Moldova.
    if md.linkify is not None:
        md.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    md.inline.ruler.before("escape", "math", _math)
    md.inline.ruler.before("autolink", "line_break", _line_break)
    md.inline.ruler.at("emphasis", _emphasis)
    md.core.ruler.push("resolve_files", _resolve_files)
    md.core.ruler.push("show_tasks", _show_tasks)
    md.core.ruler.push("fit_into_page", _fit_into_page)
    md.add_render_rule("table_open", _table_open)
    md.add_render_rule("table_close", _table_close)
    return md


def _table_open(self: RendererProtocol, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return '<div class="table-wrap"><table class="table">'


def _table_close(self: RendererProtocol, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return "</table></div>"


_ANSWER, _DOCUMENT = _parser(breaks=True), _parser(breaks=False)
_NO_FILES: Files = {}


def render(text: str, *, files: Files | None = None, is_document: bool = False) -> SafeString:
    """Render Markdown to safe HTML.

    `files` lists the allowed images and links: {"images": {path: address}, "pages": {path: address}}. In answers and
    messages a line break is kept; in a document, whose lines may be wrapped, it is a space.
    """
    text = plain(text)
    cut = text[:MAX_CHARS]
    images, pages = (files or _NO_FILES).get("images", {}), (files or _NO_FILES).get("pages", {})
    shown, linked = frozenset(images.values()), frozenset(pages.values())

    def keep(tag: str, name: str, value: str) -> str | None:
        """Keep an attribute if it leads out or to a file of the run. Any other link could trigger one of our pages."""
        if tag == "img" and name == "src":
            return value if value in shown else None
        return value if name != "href" or value in linked or _LINK.match(value) else None

    parser = _DOCUMENT if is_document else _ANSWER
    html = nh3.clean(
        parser.render(cut, {"images": images, "pages": pages}),
        tags=_TAGS | {"img"} if images else _TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "img": {"src", "alt", "loading"}},
        attribute_filter=keep,
        allowed_classes={"div": {"table-wrap"}, "table": {"table"}, "th": {"num"}, "td": {"num"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    if len(text) > MAX_CHARS:
        html += f"<p><em>Cut after {MAX_CHARS:,} characters. The whole text is in the download.</em></p>"
    return mark_safe(html)  # noqa: S308 - the cleaner has just decided what it may contain
