"""Security headers: in every response of the web process, whoever sends it."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.web import Served, serve

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    style = Path(settings.STATIC_ROOT) / "probe.css"
    style.write_text("body {}")
    try:
        with serve(tmp_path_factory.mktemp("web"), {"DJANGO_SETTINGS_MODULE": "tests.settings"}) as served:
            yield served
    finally:
        style.unlink()


def answer(server: Served, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection.getresponse()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("GET", "/accounts/login/", {}, 200),
        ("GET", "/nowhere/", {}, 404),
        ("GET", "/static/probe.css", {}, 200),
        ("GET", "/static/probe.css", {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ("GET", "/static/nowhere.css", {}, 404),
        ("GET", "/accounts/login", {}, 301),
        ("GET", "/", {"Host": "elsewhere.example"}, 400),
        ("POST", "/accounts/login/", {"Content_Length": "0"}, 403),
        ("GET", "/api/v1/runs/", {}, 401),
        ("GET", "/health/live/", {}, 200),
        ("GET", "/api/v1/runs/0198c0de-0000-7000-8000-000000000001/stream/", {}, 401),
        ("POST", "/api/v1/runs/", {"Content_Length": str(3 * MIB)}, 413),
        ("POST", "/accounts/login/", {"Content_Length": str(3 * MIB), "Accept": "text/html"}, 413),
        ("POST", "/nowhere/", {"Content_Length": str(300 * MIB)}, 413),
    ],
)
def test_every_answer_has_the_security_headers(
    server: Served, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    found = answer(server, method, path, **headers)

    assert found.status == status
    assert {name: found.headers[name] for name in ALWAYS} == ALWAYS
    assert "microphone=()" in str(found.headers["Permissions-Policy"])
    assert "default-src 'none'" in str(found.headers["Content-Security-Policy"])
    assert "frame-ancestors 'none'" in str(found.headers["Content-Security-Policy"])
    assert found.headers["X-Request-Id"]
    keeps = "/static/probe" in path
    assert ("no-store" in str(found.headers["Cache-Control"])) is not keeps
    assert len(found.headers.get_all("Content-Security-Policy", [])) == 1


def test_an_answer_before_django_tells_the_browser_to_stay_with_https() -> None:
    from config.server.browser_security import headers_before_django

    expected = dict(headers_before_django(hsts_s=60, with_subdomains=True))

    assert expected[b"strict-transport-security"] == b"max-age=60; includeSubDomains"
    assert b"strict-transport-security" not in dict(headers_before_django(hsts_s=0, with_subdomains=True))
