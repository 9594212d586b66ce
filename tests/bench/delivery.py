"""From the return of the commit to the frame at the viewer."""

from __future__ import annotations

import json
import threading
import time

from tasks import events, stream
from tasks.models import Run
from tests.bench.client import bench_agent, watch
from tests.bench.figures import Figure, latency
from tests.faults.installation import Installation


def measure(desk: Installation) -> list[Figure]:
    agent = bench_agent()
    run = Run.objects.create(
        team=agent.team, agent=agent, version=agent.version, title="Watched", prompt="-", status="waiting",
        max_cost_usd=1, max_turns=1, timeout_s=60,
    )  # fmt: skip
    committed: dict[int, float] = {}
    shown: dict[int, float] = {}
    ready = threading.Event()

    def look() -> None:
        with watch(desk, run.pk) as socket:
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
    return latency("event committed → viewer", [max(0.0, shown[seq] - at) for seq, at in committed.items()], p99=100)
