"""fetch_url through the settings, as in production. One setting allows the stand-in on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.tools.http.conftest import connections
from tests.tools.http.hostile import rows
from tools import http, runner
from tools.builtin import fetch_url
from tools.spec import ToolContext, ToolResult


class Web(BaseHTTPRequestHandler):
    pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
    asked: list[tuple[str, dict[str, str]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, dict(self.headers)))
        status, headers, body = self.pages.get(self.path, (404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>"))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web(settings: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Web.pages, Web.asked = {}, []
    settings.EGRESS_ALLOW = [f"127.0.0.1:{server.server_port}"]
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(ctx: ToolContext, url: str, **more: Any) -> ToolResult:
    return runner.run_tool(fetch_url.SPEC, ctx, {"url": url, **more})


def test_a_page_is_read_as_text(ctx: ToolContext, web: str) -> None:
    body = "<title>Größe</title><h1>Hi</h1><script>x</script><p>Wörter".encode("latin-1")
    Web.pages["/a"] = (200, {"Content-Type": "text/html; charset=iso-8859-1"}, body)

    result = fetch(ctx, f"{web}/a#part")

    assert result.content == f"Address: {web}/a\nTitle: Größe\n\n# Hi\n\nWörter"
    assert result.summary == "Fetched Größe"
    assert [path for path, _ in Web.asked] == ["/a"]


def test_a_long_text_comes_in_parts(ctx: ToolContext, web: str) -> None:
    Web.pages["/t"] = (200, {"Content-Type": "text/plain"}, b"0123456789" * 100)

    result = fetch(ctx, f"{web}/t", offset=10, limit=100)

    assert (
        result.content == f"Address: {web}/t\n\n{'0123456789' * 10}\n[890 more characters. Continue with offset=110.]"
    )


def test_an_answer_is_kept_as_a_file(ctx: ToolContext, web: str) -> None:
    Web.pages["/data.csv"] = (200, {"Content-Type": "text/csv"}, b"a;b\n1;2\n")

    result = fetch(ctx, f"{web}/data.csv", save_as="data.csv")

    assert result.content == f"Saved {web}/data.csv as data.csv: 8 bytes of text/csv."
    assert (ctx.workspace / "data.csv").read_bytes() == b"a;b\n1;2\n"


def test_a_file_that_is_too_large_is_not_kept_in_part(ctx: ToolContext, web: str) -> None:
    Web.pages["/big"] = (200, {"Content-Type": "text/csv"}, b"x" * (2 * 1024 * 1024 + 1))

    result = fetch(ctx, f"{web}/big", save_as="big.csv")

    assert result.is_error
    assert result.content.endswith("Nothing was saved.")
    assert list(ctx.workspace.iterdir()) == []


def test_what_is_not_text_is_said(ctx: ToolContext, web: str) -> None:
    Web.pages["/p"] = (200, {"Content-Type": "image/png"}, b"\x89PNG" + bytes(100))

    result = fetch(ctx, f"{web}/p")

    assert result.is_error
    assert result.content == f"{web}/p is not text (image/png, 104 bytes). Give 'save_as' to keep it as a file."


def test_an_error_page_is_an_error_that_says_why(ctx: ToolContext, web: str) -> None:
    result = fetch(ctx, f"{web}/missing")

    assert result.is_error
    assert result.content == f"{web}/missing answered with status 404. It says: # Not here"


def test_a_redirect_inward_is_not_followed(ctx: ToolContext, web: str) -> None:
    Web.pages["/r"] = (302, {"Location": "http://127.0.0.1:1/"}, b"")

    with connections() as seen:
        result = fetch(ctx, f"{web}/r")

    assert result.is_error
    assert result.content.startswith("ssrf_blocked: only public web addresses")
    assert len(seen) == len(Web.asked) == 1


def test_the_stand_in_is_reached_at_its_exact_port_only(ctx: ToolContext, web: str, settings: Any) -> None:
    port = int(web.rpartition(":")[2])
    for url in (f"http://127.0.0.1:{port + 1}/", f"http://127.0.0.2:{port}/", f"http://localhost:{port}/"):
        assert fetch(ctx, url).content.startswith("ssrf_blocked")
    settings.EGRESS_ALLOW = []

    assert fetch(ctx, f"{web}/a").content.startswith("ssrf_blocked")
    assert Web.asked == []


def test_hosts_outside_the_agents_list_are_refused(ctx: ToolContext, web: str) -> None:
    result = fetch(replace(ctx, allowed_hosts=["docs.example.com"]), f"{web}/a?key=s3cret")

    assert result.is_error
    assert result.content == "This agent may reach only: docs.example.com. 127.0.0.1 is not one of them."
    assert Web.asked == []


def test_no_hostile_literal_is_reached_through_the_tool(
    ctx: ToolContext, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.http.targets._REFUSED_AFTER_S", 0.0)
    hostile = [row for row in rows() if row.label == "block" and not row.dns and "\x00" not in row.url]
    hostile = [row for row in hostile if row.kind != "dns"]  # a name that does not resolve

    def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no names in this test")

    monkeypatch.setattr(http.Egress, "of_settings", classmethod(lambda cls: cls(resolve=nowhere)))
    with connections() as seen:
        results = [fetch(ctx, row.url) for row in hostile if len(row.url) >= 8]

    assert len(results) > 140
    assert all(result.is_error and result.content.startswith("ssrf_blocked") for result in results)
    assert seen == []
