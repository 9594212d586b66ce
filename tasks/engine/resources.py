"""Resources of one worker process that its runs share."""

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
    """Resources that all runs of a worker process share."""

    tools: Executor
    """Executor for blocking tools, with one thread for each slot."""
    slots: asyncio.Semaphore
    """Semaphore with one slot for each thread of `tools`.

    A call takes its slot before its intent, so that it never waits afterwards.
    """
    async_slots: asyncio.Semaphore
    """Slots of calls that wait for the network on the engine's loop. They need no thread."""
    files: Executor
    """Executor for transfers between workspaces and object store, so that a slow tool does not delay the settling of
    another.
    """
    workspaces: Path
    publish_delta: Callable[[UUID, int, str], None]
    """Function (run, step, text) that sends text to viewers; it may drop."""
    max_recoveries: int
    circuits: Circuits
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Event that is set when the process is about to stop: runs are handed over at their next step boundary."""
