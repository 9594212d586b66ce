"""Logs of the processes: never a link that works as a credential."""

from __future__ import annotations

import asyncio
import http.client
import logging
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as product
from django.test import Client
from django.urls import path
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from accounts.models import Team, User
from config import logs, urls
from tasks.services import shares
from tests.factories import AgentFactory, RunFactory
from tests.timeouts import PATIENCE_S
from tests.web import Served, serve

TOKEN = "Zk3Yx9_uW-0Qd7r1mPpB5sVtHnKcJgLeFaOiXyTzRwU"
LINKS = (
    f"/share/{TOKEN}/",
    f"/share/{TOKEN}/state/",
    f"/invitations/{TOKEN}/",
    f"/n/{TOKEN}/",
    f"/n/off/{TOKEN}/",
    f"/accounts/confirm-email/{TOKEN}/",
    f"/accounts/password/reset/key/1f-{TOKEN}/",
    f"/accounts/google/login/callback/?state={TOKEN}&code={TOKEN}",
    f"/api/v1/invitations/{TOKEN}/accept/",
    f"/api/v1/files/received/{TOKEN}/",
    f"/nothing/?token={TOKEN}",
)
"""Address of each link that works as a credential, as its holder opens it."""


def fails(request: Any, token: str) -> Any:
    raise RuntimeError(f"cannot open /share/{token}/")


urlpatterns = [*urls.urlpatterns, path("share/<str:token>/broken/", fails)]
handler400, handler403, handler404 = urls.handler400, urls.handler403, urls.handler404
handler500 = urls.handler500


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """Output of the console handler of LOGGING."""
    (handler,) = [h for h in logging.root.handlers if isinstance(h.formatter, logs.MaskingFormatter)]
    stream = StringIO()
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)
    return stream


@pytest.mark.attack(56)
@pytest.mark.django_db(transaction=True)
async def test_the_web_server_logs_no_link(tmp_path: Path, team: Team, alice: User) -> None:
    """All logs are on, including uvicorn's access log and the lines of its sockets."""
    run = await asyncio.to_thread(lambda: RunFactory(agent=AgentFactory(team=team)))
    _, token = await asyncio.to_thread(shares.share_run, run=run, actor=alice)
    loud = ("--log-level", "info", "--access-log")
    with serve(tmp_path, {"DJANGO_SETTINGS_MODULE": "tests.settings"}, loud) as server:
        for method in ("GET", "POST"):
            for link in (*LINKS, f"/share/{token}/", f"/share/{token}/timeline/"):
                await asyncio.to_thread(ask, server, method, link)
        async with connect(f"ws://127.0.0.1:{server.port}/ws/share/{token}/", origin=server.url) as viewer:  # type: ignore[arg-type]
            await viewer.recv()
        with suppress(ConnectionClosed):
            async with connect(f"ws://127.0.0.1:{server.port}/ws/share/{TOKEN}/", origin=server.url) as viewer:  # type: ignore[arg-type]
                await viewer.recv()
    log = (tmp_path / "server.log").read_text()

    assert '"GET /share/***/ HTTP/1.1" 404' in log
    assert '"WebSocket /ws/share/***/"' in log
    assert [line for line in log.splitlines() if TOKEN in line or token in line] == []


def ask(server: Served, method: str, link: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request(method, link, headers={"Referer": f"{server.url}{link}"})
    return connection.getresponse().status


@pytest.mark.attack(56)
@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_traceback_holds_no_link(written: StringIO) -> None:
    answer = Client(raise_request_exception=False).get(f"/share/{TOKEN}/broken/")

    assert answer.status_code == 500
    assert "RuntimeError: cannot open /share/***/" in written.getvalue()
    assert "Internal Server Error: /share/***/broken/" in written.getvalue()
    assert TOKEN not in written.getvalue()
    assert TOKEN not in answer.content.decode()


def test_nobody_is_mailed_a_request() -> None:
    """Django's error handler mails headers, cookies and addresses to ADMINS."""
    loggers = [logging.root, *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]

    assert [h for one in loggers for h in one.handlers if type(h).__name__ == "AdminEmailHandler"] == []


def test_every_handler_of_every_process_masks() -> None:
    """The web server, a worker and the scheduler, each as it configures logging itself."""
    program = (
        "import logging, sys\n"
        "if sys.argv[1] == 'web':\n"
        "    from uvicorn.config import Config; Config('config.asgi:application', access_log=True).load()\n"
        "else:\n"
        "    from config.celery import app; import django; django.setup(); app.log.setup('INFO')\n"
        "loggers = [logging.root, *logging.root.manager.loggerDict.values()]\n"
        "for handler in {h for one in loggers for h in getattr(one, 'handlers', ())}:\n"
        "    if not isinstance(handler, logging.NullHandler): print(type(handler.formatter).__name__)"
    )
    for role in ("web", "worker"):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, role], cwd=product.BASE_DIR, capture_output=True, text=True
        )

        assert done.returncode == 0, done.stderr
        assert set(done.stdout.split()) == {"MaskingFormatter"}, (role, done.stdout)


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/nowhere/", f"/share/{TOKEN}/broken/", "/api/v1/nowhere/"])
def test_a_refusal_is_logged_with_the_id_of_its_request(written: StringIO, address: str) -> None:
    """Django logs the refusal after the middleware has returned."""
    answer = Client(raise_request_exception=False).get(address, headers={"X-Request-Id": "my-request-0001"})

    assert answer["X-Request-Id"] == "my-request-0001"
    (line,) = [line for line in written.getvalue().splitlines() if " django.request " in line]
    assert "[my-request-0001]" in line
