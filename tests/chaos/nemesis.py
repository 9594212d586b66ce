"""Nemesis: injects faults, chosen and timed by the seed alone, so that a seed repeats the storm."""

from __future__ import annotations

import contextlib
import hashlib
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import redis

from tests.chaos.clients import World, submit
from tests.chaos.installation import LEASE_S, Desk
from tests.chaos.report import Plan
from tests.standins.between import FAULTS as STORE_FAULTS

PAUSES_S = {"web": 3.0, "beat": 5.0, "valkey": 4.0, "postgres": 5.0, "s3": 4.0}
STORE_S = 5.0
SPENT_S = 4.0
SPOILT_S = 5.0
"""Seconds for which bad answers of the model stay planned.

An outage makes few calls, and old ones must not prolong it.
"""
FULL_S = 4.0
FULL_DISK_S = 6.0
DOUBLE_S = 12.0
BURST, BURST_S = 50, 0.6
"""Runs that are started at once, and the seconds within which the web process is then killed."""
MODEL = ("rate_limit", "overloaded", "server", "hang", "reset", "close", "error_event", "malformed", "drip")
DECK = (
    *(("kill", role) for role in ("web", "worker", "worker", "workers", "beat", "valkey", "postgres", "s3")),
    *(("pause", role) for role in ("worker", "worker beyond its lease", *PAUSES_S)),
    *(("terminate", role) for role in ("web", "worker", "beat")),
    ("burst", "with web killed in it"),
    ("flush", "valkey"),
    ("fill", "valkey"),
    ("double", "beat"),
    ("end connections", "postgres"),
    ("spend connections", "postgres"),
    *(("model", how) for how in (*MODEL, "away")),
    *(("store", how) for how in STORE_FAULTS),
    *(("effect", trick) for trick in ("kill", "kill", "drop", "lose", "late")),
)


@dataclass(frozen=True)
class Fault:
    """One fault of the plan.

    `pick`, from 0 to 1, decides what the plan cannot know yet, such as which worker. For an outage it is the duration
    in seconds.
    """

    at_s: float
    kind: str
    what: str
    pick: float

    @property
    def name(self) -> str:
        return f"{self.kind} {self.what}"


def faults_of(plan: Plan) -> list[Fault]:
    """Return the faults of the plan; the same for the same plan, on every machine."""
    return sorted(_dealt(plan, random.Random(f"{plan.seed}/nemesis")), key=lambda fault: fault.at_s)  # noqa: S311


def _dealt(plan: Plan, chance: random.Random) -> Iterator[Fault]:
    deck: list[tuple[str, str]] = []
    for n in range(plan.faults):
        if not deck:
            deck = [*(plan.deck or DECK)]
            chance.shuffle(deck)
        yield Fault(plan.duration_s * (n + chance.random()) / (plan.faults + 1), *deck.pop(), chance.random())
    for n in range(plan.power_cuts):
        yield Fault(plan.duration_s * (n + chance.random()) / plan.power_cuts, "cut", "the power", chance.random())
    for n in range(plan.full_disks):
        yield Fault(plan.duration_s * (n + chance.random()) / plan.full_disks, "fill", "the disk", chance.random())
    if plan.outage_s:  # neither at the start nor near the end
        latest = max(0.0, 0.9 * plan.duration_s - plan.outage_s)
        yield Fault(0.1 * plan.duration_s + chance.random() * 0.5 * latest, "outage", "of the model", plan.outage_s)
    for n in range(plan.poison):  # early enough for its last death to be within the storm
        yield Fault(0.6 * plan.duration_s * (n + chance.random()) / plan.poison, "poison", "run", chance.random())


def fingerprint(faults: list[Fault]) -> str:
    """Return a hash of the plan; equal hashes mean equal plans."""
    return hashlib.sha256(repr(faults).encode()).hexdigest()[:12]


class Nemesis:
    """Executor of the plan, one fault after the other; pauses end by themselves."""

    def __init__(self, desk: Desk, world: World, faults: list[Fault]) -> None:
        self._desk, self._world, self._faults = desk, world, faults
        self._paused: list[int] = []
        self._asking: list[threading.Thread] = []
        self._second_beats: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        began = time.monotonic()
        for fault in self._faults:
            wait_s = began + fault.at_s - time.monotonic()
            if wait_s > 0 and self._world.is_over.wait(wait_s):
                return
            with contextlib.suppress(psycopg.Error, redis.RedisError, OSError):
                if self._play(fault):
                    self._world.history.faults[fault.name] += 1

    def calm(self) -> None:
        """Resume all paused processes, and wait until every pending request has its answer."""
        self._desk.send(signal.SIGCONT, self._paused)
        for thread in self._asking:
            thread.join(60)
        for beat in self._second_beats:
            beat.kill()
            beat.wait()
        self._empty_valkey()

    def _play(self, fault: Fault) -> object:
        """Inject the fault. Return a true value if it hit anything."""
        match fault.kind:
            case "kill":
                return self._signal(signal.SIGKILL, fault)
            case "terminate":
                return self._signal(signal.SIGTERM, fault)
            case "pause":
                return self._pause(fault)
            case "flush":
                return self._desk.valkey().flushall()
            case "fill":
                return self._fill_valkey() if fault.what == "valkey" else self._fill_disk()
            case "outage":
                return self._begin_outage(fault.pick)
            case "double":
                return self._double_beat()
            case "end connections":
                return self._desk.end_connections()
            case "spend connections":
                return self._spend_connections()
            case "model":
                return self._spoil_model(fault)
            case "store":
                return self._spoil_store(fault)
            case "effect":
                return self._desk.receiver.trick(fault.what)
            case "poison":
                return self._submit("poison", f"p{fault.at_s:.0f}")
            case "burst":
                return self._burst(fault)
            case "cut":
                return self._cut_the_power()
        raise AssertionError(fault)

    def _submit(self, kind: str, order: str) -> bool:
        thread = threading.Thread(target=submit, args=(self._world, kind, order), daemon=True)
        thread.start()
        self._asking.append(thread)
        return True

    def _burst(self, fault: Fault) -> list[int]:
        for n in range(BURST):
            self._submit("plain", f"b{fault.at_s:.0f}-{n}")
        time.sleep(BURST_S * fault.pick)
        return self._signal(signal.SIGKILL, replace(fault, what="web"))

    def _victims(self, fault: Fault) -> list[int]:
        role, everyone = fault.what.split()[0], fault.what == "workers"
        pids = self._desk.pids("worker" if everyone else role)
        return pids if everyone or not pids else [pids[int(fault.pick * len(pids))]]

    def _signal(self, number: signal.Signals, fault: Fault) -> list[int]:
        hit = self._desk.send(number, self._victims(fault))
        if number == signal.SIGKILL:
            self._world.history.note_deaths(hit)
        return hit

    def _pause(self, fault: Fault) -> list[int]:
        if fault.what.startswith("worker"):
            seconds = LEASE_S * (2 if "lease" in fault.what else 0.5)
        else:
            seconds = PAUSES_S[fault.what]
        pids = self._desk.tree("postgres") if fault.what == "postgres" else self._victims(fault)
        hit = self._desk.send(signal.SIGSTOP, pids)
        self._paused += hit
        if seconds > LEASE_S:
            self._world.history.note_deaths(hit)
        threading.Timer(seconds, self._go_on, [hit]).start()
        return hit

    def _go_on(self, pids: list[int]) -> None:
        self._world.history.note_deaths(self._desk.send(signal.SIGCONT, pids), is_dead=False)

    def _spend_connections(self) -> int:
        """Take all remaining connections of the database for SPENT_S seconds."""
        opened = self._desk.spend_connections()
        for connection in opened:
            threading.Timer(SPENT_S, connection.close).start()
        return len(opened)

    def _fill_valkey(self) -> bool:
        """Make Valkey refuse every write for FULL_S seconds. A restarted one has room again."""
        self._desk.limit_valkey(1)
        threading.Timer(FULL_S, self._empty_valkey).start()
        return True

    def _fill_disk(self) -> bool:
        """Make every write to the disk fail for FULL_DISK_S seconds.

        The next fault waits, since a start needs the disk.
        """
        with self._desk.no_room():
            return not self._world.is_over.wait(FULL_DISK_S)

    def _begin_outage(self, seconds: float) -> bool:
        self._desk.tell_model("outage", {"seconds": seconds})
        now = time.time()
        self._world.history.outages.append((now, now + seconds))
        return True

    def _empty_valkey(self) -> None:
        while not self._world.is_over.is_set():
            try:
                return self._desk.limit_valkey(0)
            except redis.RedisError:  # killed or paused: it must not stay full
                self._world.is_over.wait(0.5)

    def _double_beat(self) -> bool:
        """Start a second scheduler beside the first, as a careless deployment does."""
        second = self._desk.second_beat()
        self._second_beats.append(second)
        threading.Timer(DOUBLE_S, second.terminate).start()
        return True

    def _spoil_model(self, fault: Fault) -> bool:
        if fault.what == "away":
            self._desk.tell_model("away", {"seconds": 2 + 3 * fault.pick})
        else:
            faults = [fault.what] * (2 + int(4 * fault.pick))
            self._desk.tell_model("plan", {"faults": faults, "seconds": SPOILT_S})
        return True

    def _spoil_store(self, fault: Fault) -> bool:
        self._desk.store.fail(fault.what, seconds=STORE_S)
        return True

    def _cut_the_power(self) -> bool:
        self._world.history.note_deaths(self._desk.pids("worker"))
        self._desk.kill_everything()
        self._desk.up()
        return True
