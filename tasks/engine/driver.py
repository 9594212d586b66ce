"""Driver of a worker process.

One event loop on its own thread drives hundreds of runs. A Celery message only wakes it. It claims runs from the
table, renews their leases, and releases them when the process stops.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

import redis.asyncio as aredis
from django.conf import settings
from psycopg.rows import DictRow
from redis.exceptions import RedisError

from tasks import async_db, async_tasks, event_log, queue
from tasks.engine import run_loop, workspace
from tasks.engine.circuits import Circuits
from tasks.engine.commits import Commit
from tasks.engine.journal import SUSPECT_AFTER, Journal
from tasks.engine.lease import Lease
from tasks.engine.processor import Processor
from tasks.engine.publisher import Publisher
from tasks.engine.resources import WorkerResources
from tasks.models import RunStatus

log = logging.getLogger(__name__)

FILE_THREADS = 4
"""Threads for transfers with the object store."""
CLAIM_AT_ONCE = 100
"""Runs of one claim."""
SUSPECT_S = 0.5
"""Seconds in which an innocent suspect mostly settles a step, so that the next one can be claimed."""
CLAIM_DELAY_S = 0.01
"""Seconds between the end of a run and the next claim. Many runs end at once, and one claim serves all."""
CLAIM_EVERY_S = 0.05
"""Least seconds between two claims.

Runs that start one after the other are claimed together, and then share their commits. The first one is claimed at
once.
"""
ACK_TIMEOUT_S = 0.2
"""Seconds to wait for Valkey around a wake-up."""
LAST_CLAIM_S = 1.0
"""Seconds that a stopping worker waits for the claim in progress."""
RESTART_DELAY_S = 1.0
"""Seconds before failed background work starts again."""


@cache
def get_driver() -> Driver:
    """Return the driver of this process; started with the Celery worker, or by the first wake-up."""
    driver = Driver()
    driver.start()
    return driver


@dataclass(frozen=True, slots=True)
class Held:
    """Run that this process drives."""

    epoch: int
    lease: Lease
    task: asyncio.Task[None]


class Driver:
    """Driver that owns runs. Everything but start, wake and stop happens on its own loop."""

    def __init__(self, *, worker: str = "") -> None:
        self._config = settings.ENGINE
        self.worker = worker or f"{socket.gethostname()}:{os.getpid()}"
        self._thread = threading.Thread(target=self._run_thread, name="engine", daemon=True)
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._owned: dict[UUID, Held] = {}
        self._was_woken = False
        self._claim_timer: asyncio.TimerHandle | None = None
        self._claimed_at = 0.0
        self._background: set[asyncio.Task[None]] = set()

    # ---- From other threads

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def wake(self, run_id: UUID | None = None) -> None:
        """Look at the queue now. Which run was meant does not matter: the table decides which is next."""
        self._loop.call_soon_threadsafe(self._on_wakeup)

    def stop(self) -> None:
        """Hand every run over at its next step boundary. Those that take too long are released for recovery."""
        if not self._stopped.is_set():
            self._loop.call_soon_threadsafe(self._draining.set)
        self._stopped.wait(self._config["drain_s"] + 10)

    # ---- The loop

    def _run_thread(self) -> None:
        try:
            import uvloop
        except ImportError:
            asyncio.run(self._main())
        else:
            uvloop.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake_event = asyncio.Event()
        self._draining = asyncio.Event()
        self._valkey = aredis.Redis.from_url(f"{settings.REDIS_URL}/0", socket_timeout=2, socket_connect_timeout=2)
        self._publisher = Publisher(self._valkey)
        threads = self._config["tool_threads"]
        tools = ThreadPoolExecutor(threads, thread_name_prefix="tool")
        files = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files")
        self._journal = Journal(
            pool=async_db.make_pool(max_size=4),
            worker=self.worker,
            lease_s=self._config["lease_s"],
            team_runs=self._config["team_runs"],
            publish_hints=self._publish_hints,
            driven=lambda: len(self._owned),
        )
        circuits = Circuits(self._journal)
        self._ports = WorkerResources(
            tools=tools,
            slots=asyncio.Semaphore(threads),
            async_slots=asyncio.Semaphore(self._config["async_calls"]),
            files=files,
            workspaces=settings.WORKSPACE_DIR,
            publish_delta=self._publisher.note_delta,
            max_recoveries=self._config["max_recoveries"],
            circuits=circuits,
            draining=self._draining,
        )
        files.submit(workspace.sweep, settings.WORKSPACE_DIR)
        await self._journal.open()
        self._spawn(self._renew_leases)
        self._spawn(self._heartbeat)
        self._spawn(self._listen_for_control)
        self._spawn(self._publisher.send_deltas)
        self._ready.set()
        log.info("engine ready as %s", self.worker)
        try:
            await self._claim_until_draining()
            if self._was_woken:
                await self._wake_others()
            await self._drain()
        finally:
            await async_tasks.end(list(self._background))
            await circuits.close()
            await self._journal.close()
            tools.shutdown(wait=False, cancel_futures=True)
            files.shutdown(wait=False, cancel_futures=True)
            self._stopped.set()

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._supervise(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @staticmethod
    async def _supervise(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run background work for as long as the process lives, restarting it after errors.

        Without it the runs would silently lose their leases.
        """
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s broke and begins again", work.__name__)
            await asyncio.sleep(RESTART_DELAY_S)

    # ---- Claiming

    def _on_wakeup(self) -> None:
        self._was_woken = True
        self._wake_event.set()

    async def _claim_until_draining(self) -> None:
        """Claim runs until the worker drains.

        A claim that hangs on an unresponsive database is abandoned; its runs are recovered.
        """
        claiming = asyncio.create_task(self._keep_claiming())
        await self._draining.wait()
        await asyncio.wait({claiming}, timeout=LAST_CLAIM_S)
        await async_tasks.end([claiming])

    async def _keep_claiming(self) -> None:
        draining = asyncio.ensure_future(self._draining.wait())
        while not self._draining.is_set():
            self._wake_event.clear()
            if await self._try_take():
                continue
            woken = asyncio.ensure_future(self._wake_event.wait())
            await asyncio.wait({woken, draining}, timeout=self._config["poll_s"], return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            await asyncio.sleep(max(0.0, self._claimed_at + CLAIM_EVERY_S - time.monotonic()))

    async def _try_take(self) -> bool:
        """Claim runs, and log any error. Driven runs go on, and the next look tries again."""
        try:
            return await self._take()
        except Exception:
            log.exception("looking for work failed")
            await asyncio.sleep(RESTART_DELAY_S)
            return False

    async def _take(self) -> bool:
        """Claim as many runs as there is room for.

        Return True if it should look again at once. While a wake-up counts as unhandled nobody sends another. So the
        woken worker claims until nothing is left, acknowledges the wake-up, and looks once more for what came in
        between.
        """
        room = min(int(self._config["max_runs"]) - len(self._owned), CLAIM_AT_ONCE)
        claimed = await self._claim(room) if room > 0 else []
        if claimed:
            self._claimed_at = time.monotonic()
        if not self._was_woken:
            return len(claimed) == room > 0
        if len(claimed) >= room:
            await self._wake_others()
        elif claimed:
            self._wake_event.set()
            return False
        else:
            await self._ack_wakeup()
        return room > 0

    async def _wake_others(self) -> None:
        """Wake the other workers. The only message woke this one, and there is more than it can take."""
        await self._ack_wakeup()
        with suppress(TimeoutError):  # the others poll anyway; do not wait for Valkey
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await self._publisher.publish([(event_log.CONTROL_CHANNEL, {"wake": self.worker})])

    async def _ack_wakeup(self) -> None:
        """Clear the pending-wake-up flag, so that the next enqueue sends a message again.

        Runs enqueued before are seen by the next look.
        """
        self._was_woken = False
        try:
            async with asyncio.timeout(ACK_TIMEOUT_S):
                await self._valkey.delete(queue.WAKEUP_KEY)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("could not say that a wake-up was heard: %s", error)

    async def _claim(self, room: int) -> list[DictRow]:
        claimed = await self._journal.claim(room)
        for row in claimed:
            row["worker"] = self.worker
            task = asyncio.create_task(run_loop.drive(row, journal=self._journal, ports=self._ports))
            self._owned[row["id"]] = Held(row["epoch"], row["lease"], task)
            task.add_done_callback(partial(self._on_run_done, row["id"]))
        if any(row["recoveries"] > SUSPECT_AFTER for row in claimed):
            self._loop.call_later(SUSPECT_S, self._wake_event.set)
        return claimed

    def _on_run_done(self, run_id: UUID, done: asyncio.Task[None]) -> None:
        held = self._owned.get(run_id)
        if held and held.task is done:
            del self._owned[run_id]
        if not done.cancelled() and done.exception():
            log.error("run %s ended badly", run_id, exc_info=done.exception())
        if self._claim_timer is None:
            self._claim_timer = self._loop.call_later(CLAIM_DELAY_S, self._schedule_claim)

    def _schedule_claim(self) -> None:
        self._claim_timer = None
        self._wake_event.set()

    def _publish_hints(self, written: Sequence[tuple[Commit, DictRow]]) -> None:
        self._publisher.publish_hints(written)
        if any(op.status == RunStatus.QUEUED for op, _ in written):
            self._wake_event.set()

    # ---- Owning

    async def _renew_leases(self) -> None:
        """Renew the leases, and stop runs that are no longer ours.

        Depends on Postgres only: a paused Valkey must not end a lease.
        """
        while True:
            started = time.monotonic()
            owned = {run_id: (held.epoch, held.lease) for run_id, held in self._owned.items()}
            try:
                if owned:
                    ours = await self._journal.renew(owned)
                    for run_id in owned.keys() - ours:
                        self._stop_run(run_id, owned[run_id][0])
            except Exception as error:  # Postgres is away: the next heartbeat tries again; the lease decides
                log.warning("leases were not renewed: %s", error)
            await asyncio.sleep(max(0.1, self._config["heartbeat_s"] - (time.monotonic() - started)))

    async def _heartbeat(self) -> None:
        key = f"{settings.REDIS_PREFIX}worker:{self.worker}"
        processor = Processor()
        while True:
            share = processor.look(time.monotonic())
            processor.tell(share)
            state = json.dumps({"runs": len(self._owned), "at": time.time(), "processor_share": share})
            try:
                await self._valkey.set(key, state, ex=int(self._config["heartbeat_s"] * 4) + 1)
            except (RedisError, OSError) as error:
                log.warning("could not say that this worker lives: %s", error)
            await asyncio.sleep(self._config["heartbeat_s"])

    def _stop_run(self, run_id: UUID, epoch: int | None = None) -> None:
        held = self._owned.get(run_id)
        if held and epoch in (None, held.epoch):
            held.task.cancel()

    async def _listen_for_control(self) -> None:
        """Handle cancels and wake-ups from the control channel. Without Valkey the next heartbeat and poll do."""
        while True:
            try:
                async with self._valkey.pubsub() as channel:
                    await channel.subscribe(event_log.CONTROL_CHANNEL)
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=60)
                        if message:
                            self._on_control_message(json.loads(message["data"]))
            except (RedisError, OSError, ValueError, KeyError) as error:
                log.warning("the control channel is away: %s", error)
                await asyncio.sleep(1)

    def _on_control_message(self, message: dict[str, str]) -> None:
        if "stop" in message:
            self._stop_run(UUID(message["stop"]))
        elif "wake" in message:
            self._wake_event.set()

    async def _drain(self) -> None:
        log.info("draining %s runs", len(self._owned))
        if self._owned:
            await asyncio.wait([held.task for held in self._owned.values()], timeout=self._config["drain_s"])
        left = {run_id: held for run_id, held in self._owned.items() if not held.task.done()}
        for held in left.values():
            held.task.cancel()
        if left:
            await asyncio.wait([held.task for held in left.values()], timeout=5)
            await self._journal.release([(run_id, held.epoch) for run_id, held in left.items()])
