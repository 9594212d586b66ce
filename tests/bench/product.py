"""The measurements, made inside an installation (Django is set up by then)."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from typing import Any

import redis
from django.db import connection
from websockets.sync.client import ClientConnection, connect

from agents.models import Agent
from agents.services.agents import create_agent
from tasks import events, stream
from tasks.models import Run
from tasks.services.runs import start_run
from tests.bench.__main__ import Api, percentile, timed
from tests.faults.installation import Installation

FINISHED = "finished"


def bare_limits() -> dict[str, float]:
    """What the machine can do at best."""
    valkey = redis.Redis.from_url(os.environ["REDIS_URL"])
    valkey.ping()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench (id bigserial, text text)")
        commits = timed(300, lambda: cursor.execute("INSERT INTO bench (text) VALUES ('x')"))
        cursor.execute("DROP TABLE bench")
    return {
        "Valkey round trip p50": percentile(timed(500, valkey.ping), 0.5),
        "one durable commit p50": percentile(commits, 0.5),
    }


def celery_noop() -> dict[str, float]:
    """Send a job, wait until it ran."""
    from tests.bench.noop import noop

    valkey = redis.Redis.from_url(os.environ["BENCH_BROKER"])

    def there_and_back() -> None:
        name = uuid.uuid4().hex
        noop.delay(name)
        for _ in range(60):
            if valkey.blpop([name], timeout=1):
                return
        raise RuntimeError("the no-op worker does not answer")

    there_and_back()  # the worker is up from here on
    taken = timed(200, there_and_back)
    return {
        "Celery no-op round trip p50": percentile(taken, 0.5),
        "Celery no-op round trip p99": percentile(taken, 0.99),
    }


def _agent() -> Agent:
    """An agent of the demo model that plays five turns and four tool calls at once."""
    team = Agent.objects.select_related("team").earliest("created_at").team
    found = Agent.objects.for_team(team).filter(name="Bench").first()
    return found or create_agent(
        team=team,
        actor=None,
        name="Bench",
        instructions="Play the benchmark.",
        tools=[{"tool": "report_progress", "policy": "allow"}, {"tool": "list_files", "policy": "allow"}],
        options={"script": "bench"},
        max_concurrent_runs=1000,
    )


def reads(api: Api) -> list[float]:
    """A list, one row, and events, in turn."""
    agent = _agent()
    run = start_run(team=agent.team, actor=None, agent=agent, prompt="Go")
    paths = ("/runs/?limit=20", f"/runs/{run.pk}/", f"/runs/{run.pk}/events/?limit=50", "/agents/")
    for path in paths:
        api.call("GET", path)
    return [second for _ in range(75) for path in paths for second in timed(1, lambda path=path: api.call("GET", path))]


def _watch(desk: Installation, run_id: Any) -> ClientConnection:
    url = f"ws://127.0.0.1:{desk.port}/ws/runs/{run_id}/"
    return connect(url, subprotocols=["bearer", desk.demo["api_key"]])  # type: ignore[list-item]


def delivery(desk: Installation) -> dict[str, float]:
    """From the return of the commit to the frame at the viewer."""
    agent = _agent()
    run = Run.objects.create(
        team=agent.team, agent=agent, version=agent.version, title="Watched", prompt="-", status="waiting",
        max_cost_usd=1, max_turns=1, timeout_s=60,
    )  # fmt: skip
    committed: dict[int, float] = {}
    shown: dict[int, float] = {}
    ready = threading.Event()

    def look() -> None:
        with _watch(desk, run.pk) as socket:
            for text in socket:
                frame = json.loads(text)
                if frame["kind"] == "caught_up":
                    ready.set()
                if frame["kind"] == "event":
                    shown[frame["seq"]] = time.perf_counter()
                    if len(shown) == 300:
                        return

    viewer = threading.Thread(target=look)
    viewer.start()
    ready.wait(30)
    for _ in range(300):
        stream.append(run, events.Log(text="x"))
        committed[run.last_seq] = time.perf_counter()
        time.sleep(0.005)  # the pace of a busy run, not a wait for something
    viewer.join(60)
    taken = [max(0.0, shown[seq] - committed[seq]) for seq in committed]
    return {
        "event committed → viewer p50": percentile(taken, 0.5),
        "event committed → viewer p99": percentile(taken, 0.99),
    }


def submits(desk: Installation, api: Api) -> dict[str, float]:
    """From sending the POST to the answer, and to the first event at a viewer who opens the run then."""
    agent = _agent()
    answered, first = [], []
    for _ in range(40):
        started = time.perf_counter()
        run = api.call("POST", "/runs/", {"agent": str(agent.pk), "prompt": "Go"})
        answered.append(time.perf_counter() - started)
        with _watch(desk, run["id"]) as socket:
            socket.recv(timeout=30)
            first.append(time.perf_counter() - started)
    return {
        "submit p50": percentile(answered, 0.5),
        "submit p99": percentile(answered, 0.99),
        "submit → first event at the viewer p50": percentile(first, 0.5),
        "submit → first event at the viewer p99": percentile(first, 0.99),
    }


def drain() -> dict[str, float]:
    """Completed runs a second: 200 runs of five turns and four tool calls, two workers."""
    agent = _agent()
    started = time.perf_counter()
    runs = [start_run(team=agent.team, actor=None, agent=agent, prompt="Go").pk for _ in range(200)]
    while Run.objects.filter(pk__in=runs, status="succeeded").count() < len(runs):
        if Run.objects.filter(pk__in=runs, status="failed").exists() or time.perf_counter() - started > 300:
            raise RuntimeError("the runs of the benchmark do not finish")
        time.sleep(0.05)
    return {"runs completed/s": len(runs) / (time.perf_counter() - started)}
