from __future__ import annotations

from html.parser import HTMLParser

import pytest

from config.ui.markdown import MAX_CHARS, plain, render

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[x][1]\n\n[1]: javascript:alert(1)",
    '[x](https://ok.example "\\" onmouseover=alert(1) ")',
    "![x](https://evil.example/pixel.png)",
    "![x](//evil.example/pixel.png)",
    "![x][1]\n\n[1]: https://evil.example/pixel.png",
    "[![x](https://evil.example/p.png)](https://ok.example)",
    "```<script>\nalert(1)\n```",
    "```html onload=alert(1)\n<b>\n```",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <script>alert(1)</script> |",
    "<style>*{background:url(https://evil.example)}</style>",
    "<div style='background:url(https://evil.example)'>x</div>",
    "<form action=https://evil.example><input name=password></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
    "<!--><script>alert(1)</script>-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[out](/admin/logout/)",
    "[out](//evil.example/)",
    "[out](https:\\\\evil.example)",
    "[out](?delete=1)",
]
ALLOWED = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"),
}


class Found(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_becomes_markup(text):
    for tag, attributes in Found(render(text)).tags:
        assert tag in ALLOWED
        assert set(attributes) <= {"href", "title", "rel", "class", "start"}
        href = attributes.get("href")
        assert href is None or href.startswith(("https://ok.example", "mailto:"))


@pytest.mark.parametrize(
    "text", ["![a chart](chart.svg)", "![a chart](https://evil.example/x.png)", "![a chart](data:image/png;base64,AA)"]
)
def test_an_image_is_its_description(text):
    assert render(text) in ("<p>[image: a chart]</p>\n", '<p>!<a rel="noopener noreferrer nofollow">a chart</a></p>\n')


def test_links_lead_out_and_say_so():
    html = render("[a](https://ok.example/x?y=1) <mailto:a@b.example> [c](http://ok.example)")

    links = [attributes for tag, attributes in Found(html).tags if tag == "a"]
    assert [link["href"] for link in links] == ["https://ok.example/x?y=1", "mailto:a@b.example", "http://ok.example"]
    assert {link["rel"] for link in links} == {"noopener noreferrer nofollow"}


def test_what_people_write_is_kept():
    html = render("# Refunds\n\n1. **Late** delivery\n2. `broken`\n\n| Cause | Share |\n|---|--:|\n| Late | 41% |\n")

    assert html.startswith("<h2>Refunds</h2>")
    assert "<strong>Late</strong>" in html
    assert "<code>broken</code>" in html
    assert '<td class="num">41%</td>' in html


def test_terminal_and_direction_characters_are_dropped():
    assert plain(
        "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 a\x00b \u202egpj.exe\u2066\x9b31m"
    ) == ("red link ab gpj.exe31m")
    assert plain("tab\tline\nfamily 👩‍👧 café") == "tab\tline\nfamily 👩‍👧 café"


def test_a_huge_text_is_cut_and_says_so():
    html = render("word " * (MAX_CHARS // 4))

    assert len(html) < MAX_CHARS + 500
    assert "Cut after 200,000 characters" in html


def test_deep_nesting_ends():
    assert len(render(">" * 5000 + " x")) < 100_000
    assert len(render("[" * 5000)) < 100_000
