"""Routes with tokens: the logs mask every one."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from accounts.masking import mask
from tasks.live.routing import websocket_urlpatterns
from tests.architecture.walk import ADDRESSES

TOKENS = {
    "random": "Zk3Yx9_uW-0Qd7r1mPpB5sVtHnKcJgLeFaOiXyTzRwU",
    "signed": "MTI:1wAbCd:pQ4rStUvWxYz0123456789-abcdefghijkLmNoPqR",
    "reset": "0192a1b2c3d47e5f8a9b0c1d2e3f4a5b-cz7h2k-1f2e3d4c5b6a79880716253443526170",
}
HARMLESS = {"team", "slug", "role", "version"}
"""Text parameters that are not credentials: pages show them and people choose them."""


def addresses_with_text() -> list[str]:
    """Return every route with a text parameter, as the path around it: `/share/{}/state/`."""
    routes = [(address.route, address.arguments) for address in ADDRESSES]
    routes += [
        (str(entry.pattern), tuple((name, "") for name in entry.pattern.converters)) for entry in websocket_urlpatterns
    ]
    found = []
    for route, arguments in routes:
        texts = [name for name, _ in arguments if name not in HARMLESS and re.search(rf"<(str:)?{name}>", route)]
        if not texts:
            continue
        first = re.search(r"<(?:str:)?\w+>|\(\?P<\w+>[^)]*\)", route)
        assert first is not None, route
        found.append("/" + route[: first.start()] + "{}/")
    return sorted(set(found))


@pytest.mark.parametrize("path", addresses_with_text())
def test_a_token_in_the_path_is_masked(path: str) -> None:
    for kind, token in TOKENS.items():
        address = path.format(token)
        lines = [
            f"Not Found: {address}",
            f'203.0.113.9:1234 - "POST {address}?x=1 HTTP/1.1" 404',
            f"<WSGIRequest: GET '{address}'>",
            f"Referer checking failed - https://desk.example.com{address} does not match any trusted origins.",
            f"Forbidden: /accounts/login/?next={quote(address)}",
            f"Forbidden: /accounts/login/?next={quote(address, safe='')}",
            f'("127.0.0.1", 4242) - "WebSocket {address}" [accepted]',
        ]
        for line in lines:
            assert token not in mask(line), (kind, mask(line))
            assert quote(token, safe="") not in mask(line), (kind, mask(line))
            assert mask(line).count("***") == 1


def test_the_walk_finds_the_links_that_open_something() -> None:
    assert {
        "/share/{}/",
        "/ws/share/{}/",
        "/invitations/{}/",
        "/api/v1/invitations/{}/",
        "/n/{}/",
        "/n/off/{}/",
        "/accounts/confirm-email/{}/",
        "/accounts/password/reset/key/{}/",
        "/api/v1/files/received/{}/",
    } <= set(addresses_with_text())
