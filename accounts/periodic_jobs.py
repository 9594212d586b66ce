"""Registry of periodic jobs. Each app registers its own in its `periodic.py`; `services/job_runner.py` runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    name: str
    """App and function, such as `tasks.start_due_runs`: the key of its row."""
    run: Callable[[], object]
    every_s: float
    lane: str
    """Jobs of one lane run one after the other in a process; lanes do not wait for each other."""


JOBS: dict[str, Job] = {}


def register(app: str, function: Callable[[], object], *, every_s: float, lane: str = "") -> None:
    """Run `function` about every `every_s` seconds, in one process at a time.

    Name a `lane` for jobs that wait for something other than PostgreSQL: a store or broker that hangs must not keep
    the app's other jobs from running. The function must bear being stopped at any point and started again.
    """
    name = f"{app}.{getattr(function, '__name__', '')}"
    JOBS[name] = Job(name=name, run=function, every_s=every_s, lane=f"{app}.{lane}" if lane else app)
