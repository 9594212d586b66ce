"""The bench's run in DBOS: five model turns and four tool calls, each a durable step, and nothing else.

    python -m tests.bench.dbos_app ADDRESS AT_ONCE          a worker; says `ready` when it takes workflows
    uvicorn tests.bench.dbos_app:application                POST enqueues one (DBOS_URL)

DBOS checks no key, no limits and no budget here, writes no events and no audit entry, and has no viewers.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig

QUEUE = "bench"
VERSION = "bench"
TURNS = 5
POLL_S = 0.05
"""Seconds between two looks of a worker for work. The default of a second would delay each lone run by that."""
POOL = 20


@DBOS.step()
async def turn(number: int, seconds: float) -> dict[str, Any]:
    await asyncio.sleep(seconds)
    return {"text": f"Step {number} of {TURNS}.", "tool": "report_progress", "usage": {"input": 400, "output": 20}}


@DBOS.step()
async def tool(number: int) -> dict[str, Any]:
    return {"content": f"Step {number} is noted.", "is_error": False}


@DBOS.workflow()
async def run(seconds: float) -> str:
    for number in range(1, TURNS):
        await turn(number, seconds)
        await tool(number)
    await turn(TURNS, seconds)
    return "All steps are done."


def work(url: str, at_once: int) -> None:
    """Take workflows until SIGTERM."""
    config = DBOSConfig(
        name="bench", system_database_url=url, application_version=VERSION, sys_db_pool_size=POOL, log_level="ERROR"
    )
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=at_once, polling_interval_sec=POLL_S, on_conflict="always_update")
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])
    os._exit(0)


def enqueue(client: DBOSClient, seconds: float, runs: int) -> None:
    for _ in range(runs):
        client.enqueue({"queue_name": QUEUE, "workflow_name": run.__qualname__, "app_version": VERSION}, seconds)


class Front:
    """The least that an HTTP server in front of DBOS does: read JSON, enqueue, answer with the id."""

    def __init__(self) -> None:
        self._client: DBOSClient | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self._client is None:
            self._client = DBOSClient(system_database_url=os.environ["DBOS_URL"], system_database_pool_size=POOL)
        handle: Any = await self._client.enqueue_async(
            {"queue_name": QUEUE, "workflow_name": run.__qualname__, "app_version": VERSION},
            float(json.loads(body)["seconds"]),
        )
        answer = json.dumps({"id": handle.get_workflow_id()}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


application = Front()

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    work(sys.argv[1], int(sys.argv[2]))
