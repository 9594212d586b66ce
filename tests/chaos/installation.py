"""Installation under the storm: `make up` in a folder of its own, with the storm's model and receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg.rows import dict_row

from tests.chaos.receiver import Receiver
from tests.faults.disk import no_room
from tests.faults.installation import ROOT, Installation
from tests.standins.between import Between

LEASE_S = 6.0
MOST_CONNECTIONS = 300
SITE = Path(__file__).with_name("site")
SETTINGS = {
    "WEB": "2",
    "WORKERS": "2",
    "DESKHAND_LEASE_S": str(LEASE_S),
    "DESKHAND_HEARTBEAT_S": "1",
    "DESKHAND_POLL_S": "1",
    "DESKHAND_DRAIN_S": "5",
    "DESKHAND_API_RATE": "1000000/min",
    "DESKHAND_TEAM_API_RATE": "1000000/min",
    "DESKHAND_MODEL_SILENCE_S": "3",
    "DESKHAND_EXTRA_TOOLS": "tests.chaos.tools",
    "ANTHROPIC_API_KEY": "the-storm",
    "LOG_LEVEL": "WARNING",
}


class Desk(Installation):
    """Installation with model, receiver and a proxy before its store, and the access that nemesis and checker need."""

    def __init__(self, home: Path, seed: int) -> None:
        super().__init__(home)
        self._seed = seed
        self.receiver = Receiver()
        self.store = Between(lambda: self.addresses["S3_ENDPOINT_URL"])
        self.model = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.model"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.model.stdout
        self.model_url = self.model.stdout.readline().strip()

    def up(self, seconds: float = 240) -> None:
        self.serve(
            seconds, **SETTINGS, ANTHROPIC_BASE_URL=self.model_url, CHAOS_RECEIVER=self.receiver.url,
            CHAOS_STORE=self.store.url, CHAOS_CLOCKS=str(self._seed), PYTHONPATH=str(SITE),
        )  # fmt: skip

    def remove(self) -> None:
        super().remove()
        self.receiver.close()
        self.store.close()
        self.model.kill()
        self.model.wait()

    # ---- Access

    @property
    def clocks(self) -> Counter[str]:
        """Return the clock error in seconds of each worker that was started."""
        return Counter(line.split()[1] for line in (self.home / "clocks").read_text().splitlines())

    @property
    def addresses(self) -> dict[str, str]:
        lines = (self.home / "env").read_text().splitlines()
        return {name: value.strip('"') for name, value in (line.split("=", 1) for line in lines)}

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.addresses["DATABASE_URL"], autocommit=True, connect_timeout=5) as db:
            return db.cursor(row_factory=dict_row).execute(query, values).fetchall()

    def do(self, query: str, *values: Any) -> None:
        with psycopg.connect(self.addresses["DATABASE_URL"], autocommit=True, connect_timeout=5) as db:
            db.execute(query, values)

    def admin(self, query: str) -> None:
        """Execute a query as the owner of the cluster."""
        keys = json.loads((self.home / "secrets.json").read_text())
        address = psycopg.conninfo.conninfo_to_dict(self.addresses["DATABASE_URL"])
        with psycopg.connect(
            host=address["host"], port=address["port"], user="admin", password=keys["postgres_admin"],
            dbname="postgres", autocommit=True, connect_timeout=5,
        ) as db:  # fmt: skip
            db.execute(query)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.addresses["REDIS_URL"], socket_timeout=5)

    def limit_valkey(self, most_bytes: int) -> None:
        """Limit Valkey's memory; 0 removes the limit."""
        self.valkey().config_set("maxmemory", most_bytes)

    def second_beat(self) -> subprocess.Popen[bytes]:
        """Start a second scheduler on the same database and broker. The caller ends it."""
        command = [sys.executable, "-m", "celery", "-A", "config", "beat", "-l", "WARNING", "--pidfile="]
        environment = {"DESKHAND_VAR": str(self.home), "PATH": os.environ["PATH"]}
        return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

    def no_room(self) -> AbstractContextManager[None]:
        """Fill the installation's disk during the block."""
        return no_room(self.home.parent, self.processes)

    def end_connections(self) -> bool:
        self.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'deskhand'")
        return True

    def spend_connections(self) -> list[psycopg.Connection[Any]]:
        """Open connections until the database refuses."""
        opened: list[psycopg.Connection[Any]] = []
        with suppress(psycopg.OperationalError):
            while len(opened) < MOST_CONNECTIONS:
                opened.append(psycopg.connect(self.addresses["DATABASE_URL"], connect_timeout=5))
        return opened

    def tell_model(self, what: str, body: Mapping[str, Any]) -> None:
        """Plan the model's next answers, or an outage of it."""
        request = urllib.request.Request(f"{self.model_url}/__{what}", json.dumps(body).encode())  # noqa: S310
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - our own

    def told_by_model(self) -> set[str]:
        """Return the ids of the messages that the model sent completely."""
        with urllib.request.urlopen(f"{self.model_url}/__log", timeout=10) as answer:  # noqa: S310 - our own
            return set(json.loads(answer.read())["finished"])

    # ---- Signals

    def send(self, number: signal.Signals, pids: Sequence[int]) -> list[int]:
        """Send the signal to the processes that still exist; return their pids."""
        hit = []
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                hit.append(pid)
        return hit
