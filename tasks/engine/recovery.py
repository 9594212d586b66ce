"""Recovery of a run after its worker was lost.

Calls without a known answer become `unknown`; none is repeated silently.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from psycopg.rows import DictRow

from tasks import events
from tasks.engine import conversation, human_requests, model
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import StepWrite, UsageWrite
from tasks.engine.resources import WorkerResources
from tasks.models import ErrorCode, RunStatus, StepKind, StepStatus, WaitKind
from tools.spec import Effect, recorded_spec

LOST_IN_ALL = 4
"""Multiple of the limit at which even a run that settles steps in between was lost too often."""


async def take_up(run: ClaimedRun, ports: WorkerResources) -> None:
    """Emit the start or resumption, and settle what a lost owner left open. Raises Released."""
    row = run.row
    was_lost = row["old_status"] == RunStatus.RUNNING
    if was_lost:
        reason = "let go" if row["was_let_go"] else "lease expired"
        run.emit(events.AttemptLost(worker=row["old_worker"], recoveries=row["recoveries"], reason=reason))
    if row["agent_status"] == "removed":
        await run.fail(ErrorCode.AGENT_REMOVED, "The agent was deleted.")
    if was_lost and _is_poison(row, ports.max_recoveries):
        detail = (
            f"Its worker was lost {row['recoveries']} times, so it was stopped. It may be what makes workers crash."
        )
        await run.fail(ErrorCode.WORKER_LOST, detail)
    _emit_start(run)
    for step in [s for s in run.steps.values() if s.status == StepStatus.INTENT]:
        if step.kind == StepKind.MODEL:
            _model_unknown(run, step)
        elif step.kind == StepKind.TOOL:
            await _tool_unknown(run, step, was_lost=was_lost)
    await _settle_answered_budget(run)
    if row["continued_at"] is not None and _was_cut_off(run):
        model.ask_for_the_rest(run)


def _was_cut_off(run: ClaimedRun) -> bool:
    """Return True if the last step is a response that met the length limit. The run failed for it."""
    settled = run.settled()
    last = settled[-1].result if settled and settled[-1].kind == StepKind.MODEL else None
    return (last or {}).get("stop") == "max_tokens" and not conversation.open_calls(run)


def _is_poison(row: DictRow, limit: int) -> bool:
    """Return True if the run was lost too often. It counts losses without a settled step in between, and all losses."""
    lost: int = row["recoveries"]
    owners_without_a_step: int = row["epoch"] - 1 - (row["settled_epoch"] or 0)
    return min(lost, owners_without_a_step) > limit or lost > LOST_IN_ALL * limit


def _emit_start(run: ClaimedRun) -> None:
    row = run.row
    if run.steps or row["old_status"] == RunStatus.RUNNING or row["requests"]:
        settled = max((s.index for s in run.settled()), default=0)
        run.emit(events.RunResumed(worker=row["worker"], step=settled))
    else:
        run.emit(
            events.RunStarted(
                worker=row["worker"], runtime=run.runtime.name, badge=run.runtime.badge, model=row["model"]
            )
        )


def _model_unknown(run: ClaimedRun, step: StepWrite) -> None:
    """Record an estimate in the ledger, free for the customer. The loop calls the model again under the same index."""
    key = f"{run.step_key(step.index)}:{step.attempt}"
    worst = Decimal(step.request.get("worst_usd", "0"))
    usage = UsageWrite(key=f"unknown:{key}", outcome="unknown", step_key=key, model=run.row["model"], cost_usd=worst)
    run.charge(usage, settle_key=key)
    step.status = StepStatus.UNKNOWN
    run.write_step(step)
    run.turns -= 1
    run.pending.turns -= 1


async def _tool_unknown(run: ClaimedRun, step: StepWrite, *, was_lost: bool) -> None:
    """Repeat the call with the same key if that is safe or nothing was touched.

    Otherwise ask a person if it happened; each attempt that may have had an effect needs an answer of its own.
    """
    spec = recorded_spec(step.spec, run.catalog.get(step.tool), name=step.tool, arguments=step.request)
    told = events.ToolUnknown(step=step.index, call_id=step.call_id, tool=step.tool, will_repeat=True)
    if spec.effect != Effect.EFFECTFUL or step.effect_at is None:
        if was_lost:
            run.emit(told)
        return
    asked = run.requests_for(step.call_id, "unknown_effect", after=step.index - 1)
    if not asked or asked[-1]["asked_at"] < step.effect_at:
        run.emit(replace(told, will_repeat=False))
        await run.wait(kind=WaitKind.UNKNOWN_EFFECT, request=human_requests.unknown_effect(step, spec))
    await _conclude(run, step, asked[-1])


async def _conclude(run: ClaimedRun, step: StepWrite, asked: DictRow) -> None:
    """Settle the call as the person answered."""
    if asked["status"] == "open":
        await run.wait(kind=WaitKind.UNKNOWN_EFFECT)
    decided = (asked["answer"] or {}).get("decision")
    if decided == "retry":
        return
    by = asked["answered_by"] or "A person"
    happened = decided == "happened"
    content = (
        f"The answer of this call was lost. {by} checked and says that it did happen."
        if happened
        else f"The answer of this call was lost. {by} decided not to make it again."
    )
    step.status = StepStatus.DONE if happened else StepStatus.FAILED
    step.result = {"content": content, "is_error": not happened, "summary": "Confirmed" if happened else "Skipped"}
    run.write_step(step)
    run.emit(
        events.ToolFinished(
            step=step.index,
            call_id=step.call_id,
            tool=step.tool,
            summary=step.result["summary"],
            is_error=not happened,
            duration_s=0.0,
            preview=content,
            icon=(step.spec or {}).get("icon", ""),
        )
    )


async def _settle_answered_budget(run: ClaimedRun) -> None:
    """Fail the run if a person answered its last request about money or progress with `stop`."""
    asked = [q for q in run.requests if q["kind"] in ("budget", "no_progress") and q["status"] == "answered"]
    if not asked or run.requests[-1] is not asked[-1] or run.is_before_continued(asked[-1]):
        return
    if (asked[-1]["answer"] or {}).get("decision") == "stop":
        is_budget = asked[-1]["kind"] == "budget"
        code = ErrorCode.BUDGET_EXHAUSTED if is_budget else ErrorCode.NO_PROGRESS
        await run.fail(code, f"{asked[-1]['answered_by'] or 'A person'} stopped the run.")
