"""What the engine of one process lends to each of its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tasks.engine.circuits import Circuits


@dataclass(slots=True, kw_only=True)
class WorkerResources:
    """Shared by all runs of a worker process."""

    tools: Executor
    """Blocking tools run here, one for each slot."""
    slots: asyncio.Semaphore
    """As many as `tools` has threads. A call takes its slot before it is intended, so it never waits after that."""
    files: Executor
    """The workspaces' traffic with the object store: a slow tool must not keep a finished one from being settled."""
    workspaces: Path
    publish_delta: Callable[[UUID, int, str], None]
    """(run, step, text) to the viewers; may drop."""
    max_recoveries: int
    circuits: Circuits
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is about to stop: runs are handed over at their next step boundary."""
