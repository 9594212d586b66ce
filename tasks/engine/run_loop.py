"""Loop of one run from its claim until it leaves this worker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from psycopg.rows import DictRow

from tasks.engine import breaker, conversation, model, outcome, recovery
from tasks.engine.claimed_run import ClaimedRun, JournalPort, Released
from tasks.engine.commits import LeaseLost
from tasks.engine.resources import WorkerResources
from tasks.engine.tool_calls import ToolCalls
from tasks.models import ErrorCode

log = logging.getLogger(__name__)


async def drive(row: DictRow, *, journal: JournalPort, ports: WorkerResources) -> None:
    """Drive one claimed run until it leaves this worker.

    It waits, is in review, is handed over, is finished, or another owner takes it.
    """
    run = ClaimedRun(row, journal)
    tool_calls = ToolCalls(run, ports)
    try:
        await _until_released(run, tool_calls, ports)
    except LeaseLost as lost:
        log.info("left %s: %s", run.id, lost)
        await run.write_late_usage()
    except asyncio.CancelledError:
        await asyncio.shield(run.write_late_usage())
        raise
    except Exception:
        log.exception("run %s broke the engine", run.id)
        detail = "Something broke on our side. It is logged; a retry may help."
        run.forget_unwritable()
        with suppress(Released, LeaseLost):
            await run.fail(ErrorCode.INTERNAL, detail)
    finally:
        await asyncio.shield(tool_calls.close())


async def _until_released(run: ClaimedRun, tool_calls: ToolCalls, ports: WorkerResources) -> None:
    limit = asyncio.timeout(run.remaining_s())
    try:
        async with limit:
            await tool_calls.load_catalog()
            await recovery.take_up(run, ports)
            while True:
                await _next_move(run, tool_calls, ports)
    except Released:
        return
    except TimeoutError:
        if not limit.expired():
            raise
        with suppress(Released):
            await run.fail(ErrorCode.TIMEOUT, f"The run used up its {run.row['timeout_s']} s of working time.")


async def _next_move(run: ClaimedRun, tool_calls: ToolCalls, ports: WorkerResources) -> None:
    if ports.draining.is_set():
        await run.hand_over()
    calls = conversation.open_calls(run)
    if calls:
        await tool_calls.carry_out(calls[0])
        await breaker.check(run)
        return
    await run.read_messages()
    if _has_final_answer(run):
        await outcome.finish(run)
    else:
        await model.next_turn(run, ports)


def _has_final_answer(run: ClaimedRun) -> bool:
    """Return True if the model's last response is final. It has no tool call and no pause, and no input followed it."""
    settled = run.settled()
    answers = conversation.model_steps(run)
    if not answers or settled[-1] is not answers[-1]:
        return False
    return (answers[-1].result or {}).get("stop") in ("end_turn", "stop_sequence", "max_tokens", "no_result")
