"""Turn of the model: reserve, intend, call, settle."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any, NoReturn

from agents.runtimes.base import MODEL_SPECIFIC_OPTIONS, ModelError, Stop, Turn, TurnRequest
from tasks import events
from tasks.engine import conversation, human_requests, intake, outages
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import BudgetRefused, InputReason, Reserve, StepWrite, UsageWrite
from tasks.engine.resources import WorkerResources
from tasks.models import ErrorCode, StepKind, StepStatus, WaitKind

DEFAULT_MAX_TOKENS = 8000
CUT_OFF = "Your answer was cut off at the length limit. Continue exactly where it stopped, without repeating anything."
MAX_CUT_OFFS = 3
"""Times that a response may be continued at the length limit."""
WARN_AT = Decimal("0.8")
"""Share of a run's cost limit that causes a warning, as for budgets of teams and agents (`APPLY`)."""


def _request(run: ClaimedRun, index: int) -> TurnRequest:
    options = run.row["options"] or {}
    if run.row["is_other_model"]:
        options = {name: value for name, value in options.items() if name not in MODEL_SPECIFIC_OPTIONS}
    return TurnRequest(
        run_id=str(run.id),
        step_key=run.step_key(index),
        model=run.row["model"],
        system=conversation.system_prompt(run),
        messages=conversation.messages(run),
        tools=conversation.tool_definitions(run),
        max_tokens=int(options.get("max_tokens", DEFAULT_MAX_TOKENS)),
        options=options,
    )


def _next_place(run: ClaimedRun) -> tuple[int, int]:
    """Return index and attempt of the next model call. A step without a response is tried again under its own index."""
    last = run.steps.get(max(run.steps, default=0))
    if last and last.kind == StepKind.MODEL and last.status in (StepStatus.FAILED, StepStatus.UNKNOWN):
        return last.index, last.attempt + 1
    return run.next_index, 1


async def next_turn(run: ClaimedRun, ports: WorkerResources) -> None:
    """Get and settle one more response of the model. Raises Released if the run cannot go on."""
    if run.turns - run.row["turns_before"] >= run.row["max_turns"]:
        await run.fail(ErrorCode.TURN_LIMIT, f"The run reached its limit of {run.row['max_turns']} turns.")
    index, attempt = _next_place(run)
    request = _request(run, index)
    worst = run.runtime.worst_case_usd(request)
    await _check_run_limit(run, worst)
    is_probe = await outages.pass_circuit(run, ports)
    await _intend(run, index=index, attempt=attempt, worst=worst)
    started, began_at = time.monotonic(), run.now()

    def take_text(text: str) -> None:
        ports.circuits.answered(run.circuit, began_at)
        ports.publish_delta(run.id, index, text)

    try:
        turn = await run.runtime.next_turn(request, take_text)
    except ModelError as error:
        await outages.no_answer(run, ports, error, index=index, attempt=attempt, worst=worst, is_probe=is_probe)
        return
    except asyncio.CancelledError:
        outages.charge_unknown(run, index=index, attempt=attempt, worst=worst)
        raise
    _settle(run, turn, index=index, attempt=attempt, duration_s=time.monotonic() - started)
    ports.circuits.answered(run.circuit, began_at)
    await _handle_stop(run, turn)


async def _check_run_limit(run: ClaimedRun, worst: Decimal) -> None:
    limit = run.row["max_cost_usd"]
    if run.cost_usd + worst > limit:
        await _wait_for_money(
            run, BudgetRefused(scope="run", spent_usd=run.cost_usd, limit_usd=limit, needed_usd=worst)
        )


async def _wait_for_money(run: ClaimedRun, short: BudgetRefused) -> NoReturn:
    spent, limit, needed = f"{short.spent_usd:.6f}", f"{short.limit_usd:.6f}", f"{short.needed_usd:.6f}"
    run.emit(events.BudgetExhausted(scope=short.scope, spent_usd=spent, limit_usd=limit, needed_usd=needed))
    asked = human_requests.budget(scope=short.scope, spent=spent, limit=limit, needed=needed)
    await run.wait(kind=WaitKind.BUDGET, request=asked)


async def _intend(run: ClaimedRun, *, index: int, attempt: int, worst: Decimal) -> None:
    """Commit the intent of the call with its reservation.

    The commit includes all that was settled since the last one.
    """
    before = run.steps.get(index)
    told = len(run.pending.events)
    run.emit(events.ModelStarted(step=index, model=run.row["model"], attempt=attempt))
    request: dict[str, Any] = {"model": run.row["model"], "worst_usd": f"{worst:.6f}"}
    if before:
        request |= {name: before.request.get(name, 0) for name in ("failures", "billed_failures")}
    run.write_step(
        StepWrite(index=index, kind=StepKind.MODEL, status=StepStatus.INTENT, attempt=attempt, request=request)
    )
    run.turns += 1
    run.pending.turns += 1
    try:
        await run.flush(reserve=Reserve(key=run.call_key(index, attempt), amount_usd=worst))
    except BudgetRefused as short:
        del run.pending.events[told:]
        del run.pending.steps[index], run.steps[index]
        if before is not None:
            run.write_step(before)
        run.turns -= 1
        run.pending.turns -= 1
        await _wait_for_money(run, short)


def _settle(run: ClaimedRun, turn: Turn, *, index: int, attempt: int, duration_s: float) -> None:
    """Record the response; the next commit writes it."""
    key = run.call_key(index, attempt)
    usage = {
        "input_tokens": turn.usage.input_tokens,
        "output_tokens": turn.usage.output_tokens,
        "cache_read_tokens": turn.usage.cache_read_tokens,
        "cache_write_tokens": turn.usage.cache_write_tokens,
    }
    cost = f"{turn.cost_usd:.6f}"
    taken_in = intake.take_in(turn.content, step=index, taken=conversation.call_ids(run))
    result = {
        "content": taken_in.content,
        **taken_in.notes(),
        "stop": turn.stop,
        "message_id": turn.provider_message_id,
        "cost_usd": cost,
    }
    run.write_step(
        StepWrite(
            index=index,
            kind=StepKind.MODEL,
            status=StepStatus.DONE,
            attempt=attempt,
            request={"model": turn.model},
            result=result,
        )
    )
    charge = UsageWrite(
        key=key,
        provider_id=turn.provider_message_id,
        is_estimate=turn.is_estimate,
        outcome="charged",
        step_key=key,
        model=turn.model,
        cost_usd=turn.cost_usd,
        **usage,
    )
    run.charge(charge, settle_key=key)
    run.emit(
        events.ModelFinished(
            step=index,
            model=turn.model,
            stop=turn.stop,
            cost_usd=cost,
            is_estimate=turn.is_estimate,
            duration_s=round(duration_s, 3),
            **usage,
        )
    )
    text = conversation.text_of(run.steps[index])
    if text:
        run.emit(events.Message(step=index, role="agent", text=text))
    if turn.cost_usd:
        run.emit(events.UsageCharged(key=key, cost_usd=cost, total_usd=f"{run.cost_usd:.6f}"))
        _warn_near_limit(run, turn.cost_usd)


def _warn_near_limit(run: ClaimedRun, paid: Decimal) -> None:
    """Emit a warning once the run has spent 80 % of its limit. A raised limit warns again."""
    limit: Decimal = run.row["max_cost_usd"]
    if run.cost_usd - paid < WARN_AT * limit <= run.cost_usd:
        spent, allowed = f"{run.cost_usd:.6f}", f"{limit:.6f}"
        run.emit(events.BudgetWarning(scope="run", spent_usd=spent, limit_usd=allowed))


async def _handle_stop(run: ClaimedRun, turn: Turn) -> None:
    """Handle the stop reason. Tool calls and final responses are handled by the loop."""
    if turn.stop == Stop.REFUSAL:
        await run.fail(ErrorCode.MODEL_REFUSED, f"The model declined to go on. {turn.detail}".strip())
    if turn.stop == Stop.CONTEXT_OVERFLOW:
        detail = "The conversation has become longer than the model can read. Split the work into smaller tasks."
        await run.fail(ErrorCode.MODEL_ERROR, detail)
    if turn.stop == Stop.MAX_TOKENS and not conversation.open_calls(run):
        went_on = run.recordings.said_at(run.next_index - 1) is not None  # the recorded run was continued after this
        if run.asked_since_continued(InputReason.CUT_OFF) >= MAX_CUT_OFFS and not went_on:
            detail = f"The answer passed the length limit {MAX_CUT_OFFS + 1} times. Raise max_tokens or ask for less."
            await run.fail(ErrorCode.MODEL_ERROR, detail)
        ask_for_the_rest(run)


def ask_for_the_rest(run: ClaimedRun) -> None:
    """Ask the model to continue a response that was cut off."""
    run.ask_model(CUT_OFF, InputReason.CUT_OFF)
