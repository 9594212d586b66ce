"""Parser of HTML that sees it as a browser would."""

from __future__ import annotations

from html.parser import HTMLParser

LOADING = ("src", "srcset", "poster", "data", "background", "style")

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</template><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<iframe src=https://evil.example></iframe>",
    "![x](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "\x1b[31mred\x1b[0m\x00\u202egpj.exe",
    "javascript:alert(1)",
    "../../admin/",
]


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def problems(self) -> list[str]:
        """Return what hostile text could have become: scripts, handlers, styles, external resources."""
        found = []
        for tag, attributes in self.tags:
            if tag in ("iframe", "object", "embed", "base", "style", "math", "video", "audio"):
                found.append(f"<{tag}>")
            if tag == "script" and not attributes.get("src", "").startswith("/static/"):
                found.append("<script>")
            for name, value in attributes.items():
                away = value.strip().lower().startswith(("http:", "https:", "//", "javascript:", "data:", "vbscript:"))
                if name.startswith("on") or name == "style" or (name in LOADING and away):
                    found.append(f"<{tag} {name}={value}>")
                if name in ("href", "action") and value.strip().lower().startswith(
                    ("javascript:", "data:", "vbscript:")
                ):
                    found.append(f"<{tag} {name}={value}>")
        return found
