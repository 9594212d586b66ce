"""Start, supervision and ordered stop of one installation."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from config import fingerprint
from config.embedded import PartError, Services
from config.embedded.child import Child, end_orphans
from config.embedded.ports import take
from config.embedded.services import UNFINISHED_RESTORE, InUse, Part
from config.launch.options import ELSEWHERE, ROOT, SHARED, Options
from config.launch.room import Room
from config.launch.screen import last_words, listed, say, short, welcome
from config.launch.status import SharedFile, State, Status, state_of
from config.launch.supervisor import Supervisor

_READY_S = 60.0
_PREVIOUS_S = 60.0
# The worker hands over its runs, and yields the processor to the processes that serve people (docs/adr/0014).
_WORKER_GRACE_S = 40.0
WEB = (
    *("uvicorn", "config.asgi:application", "--host", "127.0.0.1", "--lifespan", "on", "--workers", "1"),
    *(
        "--no-access-log",
        "--no-server-header",
        "--no-proxy-headers",
        "--ws-max-size",
        "1048576",
        "--ws-per-message-deflate",
        "false",
        "--timeout-graceful-shutdown",
        "5",
    ),
)
_BACKLOG = 2048
_CELERY = ("celery", "-A", "config")
_WORKER = (
    "-P",
    "threads",
    "-c",
    "4",
    "--prefetch-multiplier",
    "1",
    "--without-mingle",
    "--without-gossip",
    "--without-heartbeat",  # no worker listens; without Valkey it would delay a stopping worker
    "-l",
    "INFO",
)
_BEAT = ("-S", "django_celery_beat.schedulers:DatabaseScheduler", "-l", "INFO")


class Launcher:
    def __init__(self, options: Options, given: Mapping[str, str]) -> None:
        self.options = options
        self.home = options.home
        self.began = time.monotonic()
        self.services = _claim(options)
        self.supervisor = Supervisor(_say_when)
        self.status = Status(self.home, options.url, _say_when)
        self.addresses = SharedFile(self.home / "env", _say_when)
        self.demo_runs: Child | None = None
        self.door = socket.socket()
        self.room = Room({self.home, (self.home / "pg").resolve().parent}, _say_when)
        self.environment = self._environment(given)

    def run(self) -> None:
        """Serve until a signal arrives. No child outlives it, whatever happens."""
        try:
            self._start()
            while True:
                self._write_status("serving")
                time.sleep(0.2)
                self._look()
        finally:
            self._stop()

    # ---- starting

    def _start(self) -> None:
        _take_port(self.door, self.options.port)
        if (mark := self.home / UNFINISHED_RESTORE).exists():
            raise PartError(
                f"A restore of {mark.read_text()} did not come to its end: run manage.py restore on it again, "
                f"or remove {mark} to start with what is there."
            )
        say(f"Deskhand is starting. Its data is in {short(self.home)}.")
        end_orphans(self.home)
        self._write_status("starting")
        self._start_services()
        self._prepare()
        self._start_application()
        self._progress("the web server answers")
        say(welcome(self.options))
        self._start_demo_runs()

    def _start_services(self) -> None:
        self.services.start()
        for part in self.services.parts:
            self.supervisor.watch(part.name, part.child, partial(_restart, part))
        if self.services.parts:
            self._progress(f"{listed([part.title for part in self.services.parts])} ready")
        shared = self._for_terminals()
        self.addresses.write("".join(f"{name}={_quoted(value)}\n" for name, value in shared.items()))

    def _prepare(self) -> None:
        """Migrate, collect the static files and seed the demo, unless this code has done it on this database."""
        if self._is_prepared():
            return
        prepare = self._child("prepare", "django", "prepare")
        prepare.env = self.environment | {"PGOPTIONS": "-c statement_timeout=0 -c lock_timeout=10s"}
        prepare.start()
        while prepare.pid:
            time.sleep(0.05)
        prepare.wait_stopped()
        if prepare.process and prepare.process.returncode:
            raise PartError(f"The database cannot be prepared: {last_words(prepare)}")
        self._progress("the database is up to date")

    def _is_prepared(self) -> bool:
        """Return True if this code has prepared this database.

        The mark is a comment in the database, so that it moves with the data.
        """
        made_from = fingerprint.code_fingerprint()
        stamp = self.home / "static" / ".made-from"
        if not _names(self.home / "demo.json", self.environment["BASE_URL"].rstrip("/")):
            return False
        if not stamp.exists() or stamp.read_text() != made_from:
            return False
        mark = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        try:
            with psycopg.connect(self._database(), connect_timeout=5) as connection:
                return connection.execute(mark).fetchone() == (f"prepared from {made_from}",)
        except psycopg.Error:
            return False  # the preparation reports the cause

    def _database(self) -> str:
        password = self.environment.get("DATABASE_PASSWORD")
        return make_conninfo(self.environment["DATABASE_URL"], **({"password": password} if password else {}))

    def _start_application(self) -> None:
        self.door.listen(_BACKLOG)
        web, *more = [self._web(n, self.door.fileno()) for n in range(1, self.options.web + 1)]
        self._start_child("web", web)
        for n in range(1, self.options.workers + 1):
            command = (*_CELERY, "worker", *_WORKER, "-n", f"worker{n}@%h")
            manners: dict[str, Any] = {"grace_s": _WORKER_GRACE_S, "steps_back": self.options.worker_nice}
            worker = self._child(f"worker{n}", *command, **manners)
            self._start_child("worker", worker)
        end = time.monotonic() + _READY_S
        while not _answers(self.options.port):
            if web.pid is None or time.monotonic() > end:
                raise PartError(f"The web server does not start: {last_words(web)}")
            time.sleep(0.05)
        for child in more:
            self._start_child("web", child)
        self._start_child("beat", self._child("beat", *_CELERY, "beat", *_BEAT))  # nothing waits for it

    def _web(self, n: int, door: int) -> Child:
        """Make one web process. All accept from one socket, which stays open while one of them restarts."""
        return self._child(f"web{n}", *WEB, "--fd", str(door), pass_fds=[door])

    def _start_demo_runs(self) -> None:
        """Create the first runs of a new demo team, once, at the lowest priority."""
        if self.options.demo_runs and (self.home / "demo-runs.pending").exists():
            self.demo_runs = self._child("demo-runs", "django", "seed_demo_runs", steps_back=15)
            self.demo_runs.start()

    def _start_child(self, role: str, child: Child) -> None:
        child.start()
        self.supervisor.watch(role, child)
        self._write_status("starting")

    def _child(self, name: str, *arguments: str, **more: Any) -> Child:
        command = [sys.executable, "-m", *arguments]
        return Child(name=name, home=self.home, args=command, env=self.environment, cwd=ROOT, **more)

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the application's environment; variables that the person has set take precedence."""
        ours = {
            **self.services.env,
            "DESKHAND_VAR": str(self.home),
            "SECRET_KEY": self.services.keys["secret_key"],
            "BASE_URL": self.options.url,
            "DESKHAND_DEMO_SIGN_IN": "0" if given.get("BASE_URL") else "1",
        }
        forced = {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONUNBUFFERED": "1"}
        theirs = {name: value for name, value in given.items() if value and name != "DESKHAND_VAR"}
        return {**ours, **theirs, **forced}

    def _for_terminals(self) -> dict[str, str]:
        """Return the variables that `manage.py` in another terminal needs to reach the same services."""
        elsewhere = [name for names in ELSEWHERE.values() for name in names]
        names = [*self.services.env, *elsewhere, *SHARED]
        return {name: self.environment[name] for name in names if name in self.environment}

    def _look(self) -> None:
        self.supervisor.look()
        self.supervisor.rotate_logs()
        self.addresses.retry()
        if self.room.look():
            self.supervisor.hurry()

    # ---- stopping

    def _stop(self) -> None:
        """Stop the workers first, each with time to hand over its runs, then the services."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._hurry)
        self._write_status("stopping")
        if self.demo_runs is not None:
            self.demo_runs.signal_stop()
            self.demo_runs.wait_stopped()
        self.door.close()
        self.supervisor.stop("web", "beat", "worker")
        self.services.stop()
        self.addresses.remove()
        self.status.remove()

    def _hurry(self, number: int, frame: FrameType | None) -> None:
        """Kill all processes on the second signal. The data survives it."""
        self.supervisor.kill()

    def _write_status(self, state: State) -> None:
        self.status.write(state, self.supervisor.pids)

    def _progress(self, line: str) -> None:
        say(f"{time.monotonic() - self.began:6.1f} s  {line}")


def _claim(options: Options) -> Services:
    """Lock the folder and return its services. Waits for a previous launcher that is stopping."""
    end = time.monotonic() + _PREVIOUS_S
    while True:
        try:
            return Services(options.home, only=options.embedded)
        except InUse:
            if state_of(options.home) != "stopping" or time.monotonic() > end:
                raise
            say("The Deskhand before this one is still stopping; waiting for it …")


def _take_port(door: socket.socket, port: int) -> None:
    """Bind the socket of the web processes now, so that no other program takes the port meanwhile."""
    try:
        take(door, port)
    except OSError as error:
        raise PartError(
            f"Port {port} is taken by another program: choose another one with make up PORT={port + 1}."
        ) from error


def _quoted(value: str) -> str:
    """Quote a value for shells and django-environ."""
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'


def _say_when(line: str) -> None:
    say(f"{time.strftime('%H:%M:%S')}  {line}")


def _names(demo: Path, url: str) -> bool:
    """Return True if the file exists and has Deskhand's current address: the port may have changed."""
    try:
        return bool(json.loads(demo.read_text())["url"] == url)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _restart(part: Part) -> None:
    part.start()
    part.wait_ready()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/live/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
