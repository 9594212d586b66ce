"""Reactions to a model that does not answer. The run retries soon, waits without a worker, or fails."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from decimal import Decimal

from agents.runtimes.base import ModelError
from tasks import events
from tasks.engine.circuits import Circuit
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import Settle, StepWrite, UsageWrite
from tasks.engine.resources import WorkerResources
from tasks.models import ErrorCode, StepKind, StepStatus, WaitKind

MAX_BILLED_FAILURES = 12
"""Failed attempts of one step that the provider may bill: about twenty minutes. Others are unlimited."""
FIRST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_BILLED_S = 1.0, 60.0, 300.0
"""Seconds before the second attempt, and longest waits: after unbilled and billed failures."""
LONGEST_WAIT_IN_PLACE_S = 2.0
"""Longest wait in seconds that holds a worker."""
JITTER = (0.5, 1.0)
"""Random factor on the wait."""


async def pass_circuit(run: ClaimedRun, ports: WorkerResources) -> bool:
    """Return True if the next call is a probe. Raises Released while the model is away and another run probes."""
    if run.recordings.is_replay:
        return False
    circuit = await ports.circuits.of(run.circuit)
    if circuit is None or not circuit.is_open:
        return False
    if circuit.next_try_at(run.now()) <= run.now() or circuit.probe_run == run.id:
        if await ports.circuits.take_probe(run.circuit, run.id):
            return True
        circuit = await ports.circuits.of(run.circuit)
        if circuit is None or not circuit.is_open:
            return False
    await _wait_for_circuit(run, circuit, circuit.detail)
    return False


async def _wait_for_circuit(run: ClaimedRun, circuit: Circuit, why: str, *, at_least_s: float = 0.0) -> None:
    """Wait until the circuit closes, or this run is chosen to probe."""
    now = run.now()
    start_at = now + timedelta(seconds=at_least_s)
    shown = max(start_at, circuit.next_try_at(now))
    await run.wait(kind=WaitKind.MODEL, start_at=start_at, until=shown, detail=why)


def charge_unknown(run: ClaimedRun, *, index: int, attempt: int, worst: Decimal) -> None:
    """Record a call that was sent and never answered. The ledger gets an estimate; the customer pays nothing."""
    key = run.call_key(index, attempt)
    usage = UsageWrite(key=f"unknown:{key}", outcome="unknown", step_key=key, model=run.row["model"], cost_usd=worst)
    run.charge(usage, settle_key=key)


async def no_answer(
    run: ClaimedRun,
    ports: WorkerResources,
    error: ModelError,
    *,
    index: int,
    attempt: int,
    worst: Decimal,
    is_probe: bool,
) -> None:
    """Record the failed attempt. Raises Released, unless the next attempt follows at once."""
    if error.sent:
        charge_unknown(run, index=index, attempt=attempt, worst=worst)
    else:
        run.pending.settle.append(Settle(key=run.call_key(index, attempt), cost_usd=Decimal(0)))
    before = run.steps[index].request
    failures = before.get("failures", 0) + 1
    billed = before.get("billed_failures", 0) + (error.sent and not is_probe)
    run.write_step(
        StepWrite(
            index=index,
            kind=StepKind.MODEL,
            status=StepStatus.FAILED,
            attempt=attempt,
            request={"model": run.row["model"], "failures": failures, "billed_failures": billed},
            result={"error": error.kind, "detail": str(error), "partial": error.partial[:4000]},
        )
    )
    will_retry = error.retryable and billed < MAX_BILLED_FAILURES
    run.emit(events.Error(code=f"model_{error.kind}", detail=str(error), will_retry=will_retry))
    circuit = None if run.recordings.is_replay else await ports.circuits.failed(run.circuit, run.id, error)
    if not will_retry:
        await run.fail(ErrorCode.MODEL_ERROR, str(error))
    run.turns -= 1
    run.pending.turns -= 1
    if circuit is not None and circuit.is_open:
        await _wait_for_circuit(run, circuit, str(error), at_least_s=error.retry_after_s or 0.0)
    delay_s = wait_after(failures, error)
    if delay_s > LONGEST_WAIT_IN_PLACE_S:
        start_at = run.now() + timedelta(seconds=delay_s)
        await run.wait(kind=WaitKind.MODEL, start_at=start_at, until=start_at, detail=str(error))
    await run.flush()
    await asyncio.sleep(delay_s)


def wait_after(failures: int, error: ModelError) -> float:
    """Return the seconds until the next attempt.

    They double, with jitter, and are at least what the provider asks for.
    """
    longest = LONGEST_WAIT_BILLED_S if error.sent else LONGEST_WAIT_S
    wait = min(longest, FIRST_WAIT_S * 2.0 ** min(failures - 1, 20)) * random.uniform(*JITTER)  # noqa: S311
    asked = error.retry_after_s or 0.0
    return max(wait, asked * random.uniform(1.0, 1.1))  # noqa: S311
