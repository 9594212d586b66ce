"""DBOS and Deskhand with the same work, on the same PostgreSQL, in turns within the same minutes.

One run is five turns and four tool calls. Two worker processes each, and as many web processes. DBOS checkpoints each
step and does no more (tests/bench/dbos_app.py); Deskhand does all that it does for customers. The better of each one's
rounds counts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import psycopg
from dbos import DBOSClient
from psycopg import sql

from agents.models import Agent
from billing.services import set_budget
from config.embedded.ports import answers, free_port
from config.embedded.processes import wait_until
from tests.bench import dbos_app
from tests.bench.client import SHORTER, Answer, Api, bench_agent
from tests.bench.figures import DBOS, Figure, together
from tests.bench.processes import pss_mb
from tests.bench.throughput import Took, release, slow_agent, wait_for_end
from tests.faults.installation import ROOT, Installation

RUNS = 1000 // SHORTER
ROUNDS = 1 if SHORTER > 1 else 2
CLIENTS = 32
AT_ONCE = 600
"""Workflows that a DBOS worker takes at once: with more it became slower."""
NAME = "bench_dbos"
BUDGET_USD = 100_000
TURN_USD = 0.001
PROCESSOR = "the processor: all processes of the run and the clients share the cores of this machine"


def measure(desk: Installation) -> list[Figure]:
    plain, slow = bench_agent(), slow_agent()
    priced = bench_agent(
        "priced", options={"script": "bench", "turn_cost_usd": TURN_USD}, budget_monthly_usd=BUDGET_USD
    )
    with Dbos(web=len(desk.pids("web"))) as dbos:
        drained = _in_turns(dbos.drain, lambda: release(plain, RUNS).per_s)
        with _team_budget(priced):
            with_budgets = max(release(priced, RUNS).per_s for _ in range(ROUNDS))
        sent = _in_turns(lambda: dbos.sent(0.0), lambda: _sent(desk, plain))
        waited = _in_turns(lambda: dbos.sent(1.0), lambda: _sent(desk, slow))
        idle = dbos.idle_mb
    queued, over_http, a_second = "runs queued", "runs sent over HTTP", "runs sent over HTTP, a second a turn"
    told: dict[str, Any] = {"unit": "/s", "at_least": True, "binds": PROCESSOR}
    return [
        Figure(name=f"{DBOS}{queued}", value=drained[0], unit="/s"),
        Figure(name=queued, value=drained[1], target=10, against=f"{DBOS}{queued}", **told),
        Figure(name=f"{queued}, priced, two budgets", value=with_budgets, target=4, against=f"{DBOS}{queued}", **told),
        Figure(name=f"{DBOS}{over_http}", value=sent[0], unit="/s"),
        Figure(name=over_http, value=sent[1], target=5, against=f"{DBOS}{over_http}", **told),
        Figure(name=f"{DBOS}{a_second}", value=waited[0], unit="/s"),
        Figure(name=a_second, value=waited[1], target=4, against=f"{DBOS}{a_second}", **told),
        Figure(name=f"{DBOS}memory of an idle worker (PSS)", value=idle, unit="MB"),
    ]


def _in_turns(theirs: Callable[[], float], ours: Callable[[], float]) -> tuple[float, float]:
    """Return the best rate of each, measured in rounds, so that a busy moment hits both."""
    rounds = [(theirs(), ours()) for _ in range(ROUNDS)]
    return max(found for found, _ in rounds), max(found for _, found in rounds)


def _sent(desk: Installation, agent: Agent) -> float:
    """Return the runs per second, from the first POST to the end of the last run."""
    work = {"agent": str(agent.pk), "prompt": "Go"}

    def send(times: int) -> None:
        api = Api(desk)
        for _ in range(times):
            api.call("POST", "/runs/", work)

    began = time.perf_counter()
    _by_clients(send)
    wait_for_end(agent, Took(RUNS))
    return RUNS / (time.perf_counter() - began)


def _by_clients(send: Callable[[int], None]) -> None:
    """Divide the runs between the clients."""
    shares = iter([RUNS // CLIENTS + (n < RUNS % CLIENTS) for n in range(CLIENTS)])
    together(CLIENTS, lambda: send(next(shares)))


@contextmanager
def _team_budget(agent: Agent) -> Iterator[None]:
    set_budget(team=agent.team, actor=None, limit_usd=Decimal(BUDGET_USD))
    try:
        yield
    finally:
        set_budget(team=agent.team, actor=None, limit_usd=None)


class Dbos:
    """DBOS with two workers and a web server on a database of its own; paused while not measured."""

    def __init__(self, web: int) -> None:
        self._web = web
        self._port = free_port()
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[str]] = []
        self.idle_mb = 0.0

    def __enter__(self) -> Dbos:
        ours = os.environ["DATABASE_URL"]
        self._url = f"{ours.rsplit('/', 1)[0]}/{NAME}"
        with psycopg.connect(ours, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        self._url = self._url.replace("postgres://", "postgresql://", 1)
        self._workers = [self._start_worker() for _ in range(2)]
        command = ["-m", "uvicorn", "tests.bench.dbos_app:application", "--port", str(self._port)]
        self._start(*command, "--workers", str(self._web), "--log-level", "error", "--no-access-log")
        if not wait_until(lambda: answers(self._port), 60):
            raise RuntimeError("the web server of DBOS does not start")
        self._client = DBOSClient(system_database_url=self._url)
        self._watch = self._stack.enter_context(psycopg.connect(self._url, autocommit=True))
        self._warm_up()
        self.idle_mb = max(pss_mb(worker.pid) for worker in self._workers)
        self._signal(signal.SIGSTOP)
        return self

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGCONT)
        self._client.destroy()
        self._stack.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)

    def drain(self) -> float:
        """Return the runs per second of as many as are queued when the workers start."""
        dbos_app.enqueue(self._client, 0.0, RUNS)
        self._signal(signal.SIGCONT)
        return self._until_done(time.perf_counter())

    def sent(self, seconds: float) -> float:
        """Return the runs per second, from the first POST to the end of the last run."""
        self._signal(signal.SIGCONT)
        began = time.perf_counter()
        _by_clients(lambda times: self._send(times, seconds))
        return self._until_done(began)

    def _until_done(self, began: float) -> float:
        if not wait_until(lambda: self._left() == 0, 120 + RUNS / 2):
            raise RuntimeError("the workflows of DBOS do not finish")
        took = time.perf_counter() - began
        self._signal(signal.SIGSTOP)
        ended = dict(self._watch.execute("SELECT status, count(*) FROM dbos.workflow_status GROUP BY 1").fetchall())
        if ended.keys() != {"SUCCESS"}:
            raise RuntimeError(f"the workflows of DBOS did not succeed: {ended}")
        return RUNS / took

    def _left(self) -> int:
        time.sleep(0.08)  # as often as Deskhand's runs are counted
        counted = "SELECT count(*) FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING', 'DELAYED')"
        return int(self._watch.execute(counted).fetchone()[0])  # type: ignore[index]

    def _warm_up(self) -> None:
        for _ in range(2 * self._web):
            self._send(5, 0.0)
        if not wait_until(lambda: self._left() == 0, 60):
            raise RuntimeError("DBOS does not work")

    def _send(self, times: int, seconds: float) -> None:
        body = json.dumps({"seconds": seconds})
        head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(times):
                connection.sendall(f"{head}\r\n\r\n{body}".encode())
                answer = Answer.read(connection)
                if answer.status != 201:
                    raise RuntimeError(f"DBOS's web server said {answer.status}")

    def _start_worker(self) -> subprocess.Popen[str]:
        worker = self._start("-m", "tests.bench.dbos_app", self._url, str(AT_ONCE))
        assert worker.stdout
        if worker.stdout.readline() != "ready\n":
            raise RuntimeError("a worker of DBOS does not start")
        return worker

    def _start(self, *command: str) -> subprocess.Popen[str]:
        environment = os.environ | {"DBOS_URL": self._url}
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        self._processes.append(process)
        return process

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.send_signal(number)
