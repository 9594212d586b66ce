"""Walk of every socket as an outsider and as nobody. Each closes at once without a message."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from config.asgi import application
from tasks.live import hub
from tests.architecture.code import APPS, ROOT
from tests.architecture.rows import CANARY, Rows
from tests.architecture.walk import values_for
from tests.sockets import Socket

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("closed_hub")]

ROUTES = [
    str(route.pattern)
    for app in APPS
    for path in sorted((ROOT / app).rglob("routing.py"))
    for route in import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)).websocket_urlpatterns
]
# The team is the person's own, so these open for charlie too; they must show nothing of another team.
OWN = {"ws/feed/"}
REFUSALS = {4401, 4403, 4404}


@pytest.fixture
def rows(alice, team) -> Rows:
    made = Rows(team, alice)
    assert [model.__name__ for model in made.make_all()] == []
    return made


def paths(route: str, rows: Rows) -> Iterator[str]:
    kinds = [part.strip("<>").split(":") for part in route.split("/") if part.startswith("<")]
    for values in itertools.product(*(values_for(name, kind, rows) for kind, name in kinds)):
        filled = route
        for (kind, name), value in zip(kinds, values, strict=True):
            filled = filled.replace(f"<{kind}:{name}>", value)
        yield f"/{filled}?after=0"


def socket(path: str, cookie: str = "") -> Socket:
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    if cookie:
        headers.append((b"cookie", f"sessionid={cookie}".encode()))
    return Socket(application, path, headers=headers)


async def first_words(made: Socket) -> dict[str, Any]:
    """Return the first message after the handshake, or the refusal of the handshake."""
    connected, code = await made.connect()
    if not connected:
        return {"type": "websocket.close", "code": code}
    return await made.receive_output(10)


@pytest.mark.attack(6)
@pytest.mark.promise("G16")
@pytest.mark.parametrize("who", ["charlie", "nobody"])
async def test_every_socket_is_closed_to_an_outsider(rows, charlie, who):
    client = Client()
    await sync_to_async(client.force_login)(charlie)
    cookie = client.cookies["sessionid"].value if who == "charlie" else ""
    opened = []
    for route in ROUTES:
        if who == "charlie" and route in OWN:
            continue
        for path in paths(route, rows):
            words = await first_words(socket(path, cookie))
            if words["type"] != "websocket.close" or words["code"] not in REFUSALS:
                opened.append(f"{path}: {words}")

    assert len(ROUTES) >= 2
    assert opened == []


@pytest.mark.promise("G16")
async def test_what_opens_for_an_outsider_shows_nothing_of_another_team(rows, charlie):
    client = Client()
    await sync_to_async(client.force_login)(charlie)
    for route in OWN:
        made = socket(f"/{route}", client.cookies["sessionid"].value)

        words = await first_words(made)

        assert CANARY not in str(words)
        await made.disconnect()
    await hub.get_hub().close()
