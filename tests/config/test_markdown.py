from __future__ import annotations

import re
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
    "[x](other.md)",
    "<br onload=alert(1)>",
    "| a |\n|---|\n| x<br><script>alert(1)</script> |",
    "javascript:alert(1) and ftp://evil.example/x and //evil.example/x",
    "\\(<img src=x onerror=alert(1)>\\) $$<script>alert(1)</script>$$",
    "- [x] <script>alert(1)</script>",
]
ALLOWED = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "th", "td", "div"),
}


class Found(HTMLParser):
    """Tags and attributes that a browser would see."""

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
        # A visible address leads where it says; a picture or a word never hides one.
        assert href is None or href.startswith(("https://ok.example", "mailto:", "https://evil.example"))


@pytest.mark.parametrize(
    "text", ["![a chart](chart.svg)", "![a chart](https://evil.example/x.png)", "![a chart](data:image/png;base64,AA)"]
)
def test_an_image_is_its_description(text):
    assert render(text) in ("<p>[image: a chart]</p>\n", "<p>!a chart</p>\n")


def test_links_lead_out_and_say_so():
    html = render("[a](https://ok.example/x?y=1) <mailto:a@b.example> [c](http://ok.example)")

    links = [attributes for tag, attributes in Found(html).tags if tag == "a"]
    assert [link["href"] for link in links] == ["https://ok.example/x?y=1", "mailto:a@b.example", "http://ok.example"]
    assert {link["rel"] for link in links} == {"noopener noreferrer nofollow"}


FILES = {
    "images": {"my chart (1).svg": "artifacts/2/raw/"},
    "pages": {"report.md": "artifacts/1/", "my chart (1).svg": "artifacts/2/", "Größe.csv": "artifacts/3/"},
}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[report.md](report.md)", '<p><a href="artifacts/1/" rel="noopener noreferrer nofollow">report.md</a></p>'),
        ("[it](./report.md)", '<p><a href="artifacts/1/" rel="noopener noreferrer nofollow">it</a></p>'),
        ("[it](<Größe.csv>)", '<p><a href="artifacts/3/" rel="noopener noreferrer nofollow">it</a></p>'),
        ("![it](my%20chart%20%281%29.svg)", '<p><img src="artifacts/2/raw/" alt="it" loading="lazy"></p>'),
        ("![it](<my chart (1).svg>)", '<p><img src="artifacts/2/raw/" alt="it" loading="lazy"></p>'),
        ("[**other**](other.md)", "<p><strong>other</strong></p>"),
        ("[up](../../settings/)", "<p>up</p>"),
        ("report.md is a file", "<p>report.md is a file</p>"),
    ],
)
def test_links_lead_to_files_of_the_run_or_are_text(text, html):
    assert render(text, files=FILES) == html + "\n"


def test_a_link_to_a_file_is_text_where_no_files_are():
    assert render("[report.md](report.md)") == "<p>report.md</p>\n"


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://ok.example/a?b=1.", ["https://ok.example/a?b=1"]),
        ("(https://ok.example/a_(b))", ["https://ok.example/a_(b)"]),
        ("`https://ok.example`", []),
        ("ok.example and report.md and ann@ok.example", []),
        ("[x](https://ok.example) https://ok.example/2", ["https://ok.example", "https://ok.example/2"]),
    ],
)
def test_a_bare_address_is_a_link(text, links):
    assert [attributes["href"] for tag, attributes in Found(render(text)).tags if tag == "a"] == links


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("这是**重要：**内容", "<p>这是<strong>重要：</strong>内容</p>"),  # noqa: RUF001
        ("**「引用」**です", "<p><strong>「引用」</strong>です</p>"),
        ("価格は**1,000円（税込）**です", "<p>価格は<strong>1,000円（税込）</strong>です</p>"),  # noqa: RUF001
        ("한국어**강조.**입니다", "<p>한국어<strong>강조.</strong>입니다</p>"),
        ("a **b** c*d*e", "<p>a <strong>b</strong> c<em>d</em>e</p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        ("全 * 角 *", "<p>全 * 角 *</p>"),
        ('a**"b"**c', '<p>a**"b"**c</p>'),
    ],
)
def test_emphasis_needs_no_spaces_in_chinese_and_japanese(text, html):
    assert render(text) == html + "\n"


def test_a_line_break_is_one_in_an_answer_and_a_space_in_a_file():
    assert render("one\ntwo") == "<p>one<br>\ntwo</p>\n"
    assert render("one\ntwo", is_document=True) == "<p>one\ntwo</p>\n"


def test_a_cell_of_a_table_has_lines():
    html = render("| a |\n|---|\n| one<br>two<BR/>three `<br>` |\n")

    assert "<td>one<br>\ntwo<br>\nthree <code>&lt;br&gt;</code></td>" in html


def test_tasks_have_boxes():
    html = render("- [ ] open\n- [x] **done**\n- [X] too\n- [link](https://ok.example)\n- [y] no")

    assert re.findall(r"<li>(.*?)</li>", html) == [
        "☐ open",
        "☑ <strong>done</strong>",
        "☑ too",
        '<a href="https://ok.example" rel="noopener noreferrer nofollow">link</a>',
        "[y] no",
    ]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (r"mean \(x_i\) of", "<p>mean <code>x_i</code> of</p>"),
        (r"\[ \sum_{i=1}^n x_i \]", r"<p><code>\sum_{i=1}^n x_i</code></p>"),
        ("$$\na_1 * b_1\n$$", "<p><code>a_1 * b_1</code></p>"),
        (r"\(see below\)", "<p>(see below)</p>"),
        (r"\[no link\]", "<p>[no link]</p>"),
        ("costs $5 and $$10", "<p>costs $5 and $$10</p>"),
    ],
)
def test_math_stays_readable(text, html):
    assert render(text) == html + "\n"


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
