"""Markdown from models, tools and people, as HTML that cannot do anything.

Raw HTML is text, images are replaced by their description (nothing is loaded from elsewhere), and only http, https and
mailto links survive. The cleaner runs after the renderer, so a mistake in one of the two is caught by the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MAX_CHARS = 200_000
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"),
}
_LINK = re.compile(r"(?:https?://[^\s/\\]|mailto:)", re.IGNORECASE)


def plain(text: str) -> str:
    """Text without what only a terminal or a deceiver would use: ANSI codes, NUL, control and direction characters."""
    return _UNSEEN.sub("", _ANSI.sub("", text))


def _images_to_text(state: StateCore) -> None:
    """`![chart](https://elsewhere/x.png)` becomes "chart": a page must not tell other hosts that it was opened."""
    ours: Mapping[str, str] = state.env.get("images", {})
    for token in state.tokens:
        for child in token.children or []:
            if child.type == "image" and (src := ours.get(unquote(str(child.attrs["src"])).removeprefix("./"))):
                child.attrs = {"src": src, "alt": "", "loading": "lazy"}
            elif child.type == "image":
                child.type, child.tag, child.attrs = "text", "", {}
                child.content = f"[image: {child.content}]" if child.content else "[image]"


def _fit_into_page(state: StateCore) -> None:
    """A page has its own h1, and may not have style attributes: columns of numbers get a class instead."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type in ("th_open", "td_open") and token.attrs.pop("style", "") == "text-align:right":
            token.attrs["class"] = "num"


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Links lead out, and say so: a relative one could name a page of ours that does something."""
    return None if name == "href" and not _LINK.match(value) else value


def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 40}).enable(
        ["table", "strikethrough"]
    )
    md.core.ruler.push("images_to_text", _images_to_text)
    md.core.ruler.push("fit_into_page", _fit_into_page)
    md.add_render_rule("table_open", _table_open)
    md.add_render_rule("table_close", _table_close)
    return md


def _table_open(self: RendererProtocol, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return '<div class="table-wrap"><table class="table">'


def _table_close(self: RendererProtocol, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return "</table></div>"


_MD = _parser()


def render(text: str, *, images: Mapping[str, str] | None = None) -> SafeString:
    """Markdown to safe HTML. `images` names the only pictures that are shown: the text's names → our addresses."""
    text = plain(text)
    cut = text[:MAX_CHARS]
    allowed = frozenset((images or {}).values())

    def keep(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if value in allowed else None
        return _keep_attribute(tag, name, value)

    html = nh3.clean(
        _MD.render(cut, {"images": images or {}}),
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
