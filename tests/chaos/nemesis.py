"""What breaks things: a deck of faults, shuffled and timed by the seed alone, so that a seed repeats the storm."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import psycopg
import redis

from tests.chaos.clients import World
from tests.chaos.installation import LEASE_S, Desk

Act = Callable[[], object]
PAUSES = (
    ("worker", 2 * LEASE_S),
    ("worker", LEASE_S / 2),
    ("web", 3.0),
    ("beat", 5.0),
    ("valkey", 4.0),
    ("postgres", 5.0),
    ("s3", 4.0),
)


@dataclass(frozen=True)
class Fault:
    at_s: float
    name: str
    act: Act


class Nemesis:
    """Plays its faults one after the other; pauses end by themselves."""

    def __init__(self, desk: Desk, world: World, *, duration_s: float, count: int, power_cuts: int) -> None:
        self._desk, self._world = desk, world
        self._chance = random.Random(f"{world.seed}/nemesis")  # noqa: S311
        self._paused: list[int] = []
        self.faults = list(self._plan(duration_s, count, power_cuts))

    def run(self) -> None:
        began = time.monotonic()
        for fault in self.faults:
            wait_s = began + fault.at_s - time.monotonic()
            if wait_s > 0 and self._world.is_over.wait(wait_s):
                return
            with contextlib.suppress(psycopg.Error, redis.RedisError, OSError):
                fault.act()
                self._world.history.faults[fault.name] += 1

    def calm(self) -> None:
        """Everything that was paused goes on."""
        self._desk.send(signal.SIGCONT, self._paused)

    # ---- The plan

    def _plan(self, duration_s: float, count: int, power_cuts: int) -> Iterator[Fault]:
        deck: list[tuple[str, Act]] = []
        for n in range(count):
            if not deck:
                deck = [*self._cards()]
                self._chance.shuffle(deck)
            name, act = deck.pop()
            at_s = duration_s * (n + self._chance.random()) / (count + 1)
            yield Fault(at_s, name, act)
            if power_cuts and (n + 1) % max(1, count // (power_cuts + 1)) == 0:
                power_cuts -= 1
                yield Fault(at_s, "cut the power", self._cut_the_power)

    def _cards(self) -> Iterator[tuple[str, Act]]:
        for role in ("web", "worker", "worker", "beat", "valkey", "postgres", "s3"):
            yield f"kill {role}", partial(self._kill, role)
        yield "kill all workers", partial(self._kill, "worker", everyone=True)
        for role, seconds in PAUSES:
            yield f"pause {role}", partial(self._pause, role, seconds)
        for role in ("web", "worker", "beat"):
            yield f"terminate {role}", partial(self._kill, role, number=signal.SIGTERM)
        yield "flush valkey", self._flush
        yield "end all connections", self._end_connections
        for name in ("rate_limit", "overloaded", "server", "hang", "reset", "close", "error_event", "malformed"):
            yield f"model: {name}", partial(self._desk.plan_model, [name] * self._chance.randint(2, 6))
        for trick in ("kill", "kill", "drop", "lose", "late"):
            yield f"effect: {trick}", partial(self._desk.receiver.tricks.append, trick)

    # ---- The faults

    def _kill(self, role: str, *, everyone: bool = False, number: signal.Signals = signal.SIGKILL) -> None:
        pids = self._desk.pids(role)
        chosen = pids if everyone else [self._chance.choice(pids)] if pids else []
        self._desk.send(number, chosen)

    def _pause(self, role: str, seconds: float) -> None:
        pids = self._desk.tree(role) if role == "postgres" else self._desk.pids(role)[:1]
        self._paused += self._desk.send(signal.SIGSTOP, pids)
        threading.Timer(seconds, self._desk.send, (signal.SIGCONT, pids)).start()

    def _flush(self) -> None:
        self._desk.valkey().flushall()

    def _end_connections(self) -> None:
        self._desk.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'deskhand'")

    def _cut_the_power(self) -> None:
        self._desk.kill_everything()
        self._desk.up()
