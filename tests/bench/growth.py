"""Growth of a team: pages and writes with 100, 20,000 and 100,000 runs of twenty events each.

Each is compared with the same team when it had 100 runs. `BENCH_RUNS=500000 make bench PART=growth` goes on to ten
million events.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, Role, Team
from accounts.services import keys
from tasks import event_log, events
from tasks.engine import sql
from tasks.models import Run
from tests.bench.client import Api, bench_agent
from tests.bench.figures import Figure, percentile, timed
from tests.faults.installation import Installation

SIZES = (100, 20_000) if os.environ.get("SHORT") else (100, 20_000, 100_000)
FIRST = f"{SIZES[0]:,} runs"
READS = 200
EVENTS = 20
CLAIMED = 20
CHANGED = {
    "id": "uuidv7(n * -interval '1 minute')",
    "created_at": "now() - n * interval '1 minute'",
    "status": "CASE WHEN mod(n, 20) = 0 THEN 'failed' ELSE 'succeeded' END",
    "title": "'Run ' || n",
    "last_seq": str(EVENTS),
}


def measure(desk: Installation) -> list[Figure]:
    team, key = _team()
    template = _finished(bench_agent(team=team))
    browser = _Browser(desk, template.team)
    figures: list[Figure] = []
    there = 0
    for size in sorted({*SIZES, int(os.environ.get("BENCH_RUNS", SIZES[-1]))}):
        _grow(template, there, size)
        there = size
        of = f"{size:,} runs"
        figures += _reads(browser, Api(desk, key=key), of)
        figures += [
            _beside_first(f"queries of {name}, {{}}", of, value=browser.queries(path), unit="", target=1)
            for name, path in browser.pages.items()
        ]
        figures += _writes(template, of)
    return figures


def _team() -> tuple[Team, str]:
    """Create a team without runs; return it and a key of it."""
    owner = Membership.objects.filter(role=Role.OWNER).select_related("user").earliest("pk").user
    team = Team.objects.create(name="Growth", slug="growth")
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    return team, keys.create_key(team=team, actor=owner, name="Growth", scopes=["runs:read"])[1]


def _beside_first(name: str, of: str, *, target: float, **more: Any) -> Figure:
    """A figure that is compared with the same one at the smallest size. `{}` in its name stands for the size."""
    if of == FIRST:
        return Figure(name=name.format(of), **more)
    return Figure(name=name.format(of), target=target, against=name.format(FIRST), **more)


def _finished(agent: Any) -> Run:
    """Return a finished run, the template of all copies."""
    from tests.factories import start_run

    run = start_run(team=agent.team, actor=None, agent=agent, prompt="Go")
    for _ in range(600):
        run.refresh_from_db()
        if run.status == "succeeded":
            return run
        time.sleep(0.1)
    raise RuntimeError("the run to copy does not finish")


def _grow(template: Run, there: int, size: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            f"""
            WITH made AS ({_copies(CHANGED)} RETURNING id, created_at)
            INSERT INTO tasks_runevent (run_id, seq, type, at, data)
            SELECT id, seq, 'log', created_at, '{{"text": "A line of a log, as long as lines of logs are."}}'
            FROM made, generate_series(1, {EVENTS}) seq
            """,  # noqa: S608
            [there + 1, size, template.pk],
        )
        cursor.execute("VACUUM ANALYZE tasks_run, tasks_runevent")
        cursor.execute("RESET statement_timeout")


def _copies(changed: dict[str, str]) -> str:
    """Return SQL that copies a run, with changes, for each `n` of a range. Parameters: both ends, and the run's id."""
    columns = [field.attname for field in Run._meta.concrete_fields]
    chosen = ", ".join(changed.get(name, f'r."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    source = f"SELECT {chosen} FROM tasks_run r, generate_series(%s::int, %s::int) n WHERE r.id = %s"  # noqa: S608
    return f"INSERT INTO tasks_run ({names}) {source}"


class _Browser:
    """Signed-in browser of a team member."""

    def __init__(self, desk: Installation, team: Team) -> None:
        self._client = Client(headers={"Host": f"127.0.0.1:{desk.port}"})
        self._client.force_login(team.memberships.select_related("user").earliest("id").user)
        self._connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=60)
        self._used = time.monotonic()
        cookie = self._client.cookies[settings.SESSION_COOKIE_NAME]
        self._headers = {"Cookie": f"{cookie.key}={cookie.value}"}
        self.pages = {
            "the dashboard": reverse("tasks:dashboard", args=[team.slug]),
            "the list of runs": reverse("tasks:run_list", args=[team.slug]),
        }

    def open(self, path: str) -> None:
        if time.monotonic() - self._used > 3:  # the server closes idle connections after five
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")

    def queries(self, path: str) -> int:
        with CaptureQueriesContext(connection) as found:
            self._client.get(path)
        return len(found)


def _reads(browser: _Browser, api: Api, of: str) -> list[Figure]:
    last = api.call("GET", "/runs/?limit=1")["results"][0]["id"]
    found = []
    asked: dict[str, Callable[[], Any]] = {
        "API list": lambda: api.call("GET", "/runs/?limit=50"),
        "API list of what failed": lambda: api.call("GET", "/runs/?limit=50&status=failed"),
        "API events": lambda: api.call("GET", f"/runs/{last}/events/"),
        **{name: lambda path=path: browser.open(path) for name, path in browser.pages.items()},
    }
    for name, work in asked.items():
        work()
        taken = timed(READS, work)
        for share, text in ((0.5, "p50"), (0.99, "p99")):
            found.append(_beside_first(f"{name}, {{}} {text}", of, value=percentile(taken, share), target=3))
    return found


def _writes(template: Run, of: str) -> list[Figure]:
    """Measure appending an event and claiming runs. The best of many counts, so that noise does not."""
    return [
        _beside_first(f"{name}, {{}}", of, value=1000 * min(times(template)), target=1.2)
        for name, times in {"append an event": _appends, "claim 20 runs": _claims}.items()
    ]


def _appends(template: Run) -> list[float]:
    run = Run.objects.get(pk=template.pk)
    return timed(200, lambda: event_log.append(run, events.Log(text="x")))


def _claims(template: Run) -> list[float]:
    """Measure claims in transactions that are rolled back, so that no worker sees the runs."""
    fresh = {"id": "uuidv7()", "status": "'queued'", "queued_at": "now()", "finished_at": "NULL", "started_at": "NULL"}
    values: dict[str, Any] = {"room": CLAIMED, "worker": "bench", "lease_s": 30, "suspect_after": 3}
    values |= {"team_runs": 1000, "plan_runs": "{}"}
    taken = []
    for _ in range(30):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_copies(fresh), [1, 50, template.pk])
            started = time.perf_counter()
            cursor.execute(sql.CLAIM, values)
            taken.append(time.perf_counter() - started)
            if len(cursor.fetchall()) != CLAIMED:
                raise RuntimeError("not as many runs were claimed as there was room for")
            transaction.set_rollback(True)
    return taken
