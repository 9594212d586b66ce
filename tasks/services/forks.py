"""Forks and replays of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.errors import Conflict, FieldError, InvalidInput
from accounts.models import User
from agents.services.models import models_of, require_present
from storage.models import StoredFile
from tasks import event_log, events
from tasks.call_digest import digest
from tasks.models import LIVE, Artifact, Recording, Run, RunKind, RunOrigin, Step, StepKind, StepStatus
from tasks.services.approvers import require_approver_of
from tasks.services.comparisons import StepLine, line_of
from tasks.services.effects import Effect, WouldRepeatEffects, effects_of
from tasks.services.run_request import LIMITS, RunRequest
from tasks.services.runs import require_no_replay, start_run

SETTLED = (StepStatus.DONE, StepStatus.FAILED)
STEP_ENDS = ("model.finished", "tool.finished", "message")
FILES = ("artifact.created", "file.changed")


@dataclass(frozen=True, slots=True)
class ForkPoint:
    """Settled step after which a run can be forked, or its beginning."""

    seq: int
    """Event that settled the step; 0 for the beginning."""
    step: StepLine | None = None
    has_open_calls: bool = False
    """True if the agent waits for a tool result there, so that nobody can add a message."""
    tool_result: str | None = None
    """Text that the agent read, if the step is a tool call."""


def fork_points(run: Run) -> list[ForkPoint]:
    """Return the beginning and each settled step, with the first event that settled it."""
    ends: dict[int, int] = {}
    last = 0
    told = run.events.filter(type__in=STEP_ENDS).order_by("seq").values_list("seq", "data")
    for seq, data in told:
        last = max(last, int(data.get("step", 0)))
        ends.setdefault(last, seq)
    settled = list(run.steps.filter(status__in=SETTLED).order_by("index"))
    return [
        ForkPoint(0),
        *(_point(settled[: n + 1], ends[step.index]) for n, step in enumerate(settled) if step.index in ends),
    ]


def _point(kept: list[Step], seq: int) -> ForkPoint:
    step = kept[-1]
    result = str((step.result or {}).get("content", "")) if step.kind == StepKind.TOOL else None
    return ForkPoint(seq, line_of(step), _has_open_calls(kept), result)


@transaction.atomic
def fork_run(
    *,
    run: Run,
    actor: User,
    from_seq: int = 0,
    prompt: str = "",
    model: str = "",
    tool_result: str | None = None,
    reuse_tools: bool = True,
    repeat_effects: bool = False,
    origin: RunOrigin = RunOrigin.PAGE,
) -> Run:
    """Start a new run that continues after the step that event `from_seq` settled; 0 starts at the beginning.

    `prompt` is a message to the agent there (at 0 it replaces the prompt), `model` answers from there on,
    `tool_result` replaces the last kept tool result. With `reuse_tools` later tool results of the old run stand in for
    equal calls, until the first one that differs. Raises WouldRepeatEffects with the effects that the fork may repeat;
    Conflict, InvalidInput, ModelEnded.
    """
    require_no_replay(run)
    kept = _kept_steps(run, from_seq)
    _check(kept, from_seq=from_seq, prompt=prompt, tool_result=tool_result)
    if model and model not in models_of(run.version.runtime):
        raise InvalidInput(
            "Choose another model.", fields=[FieldError("model", "invalid_choice", "There is no such model.")]
        )
    require_present(run.agent, run.version, model or run.model_override)
    require_approver_of(run, starter=actor, is_old=True)
    changed = kept[-1] if kept and tool_result is not None else None
    if not repeat_effects and (again := _repeatable(run, kept, changed=changed, reuse_tools=reuse_tools)):
        raise WouldRepeatEffects.of(again, by="The fork")
    after = kept[-1].index if kept else 0
    has_input = bool(prompt and kept)
    fork = _copy(
        run,
        actor,
        origin=origin,
        prompt=run.prompt if kept or not prompt else prompt,
        model_override=model or run.model_override,
        forked_at_step=after + has_input,
    )
    for step in kept:
        result = dict(step.result or {})
        if tool_result is not None and step is kept[-1]:
            result |= {"content": tool_result, "is_error": False, "summary": "Changed by a person"}
        _copy_step(step, fork, result)
    if has_input:
        _add_input(fork, after + 1, prompt)
    _copy_artifacts(run, fork, until=after)
    if reuse_tools:
        _record(run, fork, after=after, is_replay=False)
    audit.record(team=run.team, actor=actor, action="run.forked", target=fork, source=str(run.pk), from_seq=from_seq)
    return fork


@transaction.atomic
def replay_run(*, run: Run, actor: User, origin: RunOrigin = RunOrigin.PAGE) -> Run:
    """Repeat the run from its records alone.

    No model and no tool is called, and it costs nothing. Raises Conflict while it is live.
    """
    if run.status in LIVE:
        raise Conflict("The run has not ended yet, so its records are not whole. Replay it when it has ended.")
    answers = run.steps.filter(kind=StepKind.MODEL, status=StepStatus.DONE).count()
    most = max(run.max_turns, answers)  # includes those that a fork copied
    replay = _copy(
        run,
        actor,
        origin=origin,
        kind=RunKind.REPLAY,
        model_override=run.model_override,
        forked_at_step=0,
        review=False,
        limits={name: getattr(run, name) for name in LIMITS} | {"max_turns": most},
    )
    _record(run, replay, after=0, is_replay=True)
    audit.record(team=run.team, actor=actor, action="run.replayed", target=replay, source=str(run.pk))
    return replay


def _kept_steps(run: Run, from_seq: int) -> list[Step]:
    told = run.events.filter(seq__lte=from_seq, type__in=STEP_ENDS).values_list("data", flat=True)
    last = max((int(data.get("step", 0)) for data in told), default=0)
    return list(run.steps.filter(index__lte=last, status__in=SETTLED).order_by("index"))


def _repeatable(run: Run, kept: list[Step], *, changed: Step | None, reuse_tools: bool) -> list[Effect]:
    """Return the effects that the fork may repeat.

    These are of dropped steps, and of the step whose result changes. A recorded result stands in for a dropped step; a
    call whose answer was lost has none.
    """
    safe = {step.index for step in kept if step is not changed}
    if reuse_tools:
        after = kept[-1].index if kept else 0
        recorded = run.steps.filter(status__in=SETTLED, index__gt=after)
        safe |= set(recorded.values_list("index", flat=True))
    return [effect for effect in effects_of([run])[run.pk] if effect.step not in safe]


def _check(kept: list[Step], *, from_seq: int, prompt: str, tool_result: str | None) -> None:
    problem = None
    if from_seq and not kept:
        problem = FieldError("from_seq", "invalid", "No step was settled by that event yet. Choose a later one.")
    elif tool_result is not None and (not kept or kept[-1].kind != StepKind.TOOL):
        problem = FieldError("tool_result", "invalid", "The last kept step is not a tool call.")
    elif prompt and kept and _has_open_calls(kept):
        problem = FieldError("prompt", "invalid", "The agent waits for a tool result there. Choose the event after it.")
    if problem:
        raise InvalidInput(problem.message, fields=[problem])


def _has_open_calls(kept: list[Step]) -> bool:
    answers = [s for s in kept if s.kind == StepKind.MODEL and s.status == StepStatus.DONE]
    blocks = (answers[-1].result or {}).get("content", []) if answers else []
    done = {s.call_id for s in kept if s.kind == StepKind.TOOL and s.index > answers[-1].index} if answers else set()
    return any(b.get("type") == "tool_use" and b["id"] not in done for b in blocks)


def _copy(run: Run, actor: User, **changes: Any) -> Run:
    """Start the same work on the same version, without repeating the caller's checks."""
    asked = RunRequest.repeating(run, actor=actor, version=run.version, forked_from=run, is_checked=True, **changes)
    copy = start_run(asked)
    event_log.append(copy, events.Log(text=f"Made from the run {run.pk}."))
    return copy


def _copy_step(step: Step, fork: Run, result: dict[str, Any]) -> None:
    """Copy a step to the fork, without its cost, which was paid once."""
    step.pk, step.run, step.result = None, fork, result
    if step.kind == StepKind.INPUT:
        step.request = _input_of(step)
    step._state.adding = True
    step.save(force_insert=True)


def _input_of(step: Step) -> dict[str, Any]:
    """Return what an input says, without the event numbers of its run."""
    return {key: step.request[key] for key in ("text", "reason") if key in step.request}


def _add_input(run: Run, index: int, text: str) -> None:
    Step.objects.create(run=run, index=index, kind=StepKind.INPUT, status=StepStatus.DONE, request={"text": text})
    event_log.append(run, events.Message(step=index, role="person", text=text))


def _copy_artifacts(run: Run, fork: Run, *, until: int) -> None:
    """Copy the artifacts as they were after that step."""
    made = [file for step, files in sorted(_files_by_step(run).items()) if step <= until for file in files]
    for path, file in {file["path"]: file for file in made}.items():
        Artifact.objects.create(team=run.team, run=fork, path=path, file_id=file["file"])


def _stored(run: Run, told: Mapping[str, Any]) -> dict[str, Any]:
    file = StoredFile.objects.for_team(run.team).filter(sha256=told["sha256"], size=told["size"]).order_by("id").first()
    if file is None:
        raise InvalidInput(f"The file {told['path']} of that time is gone, so the run cannot be continued from there.")
    described = {"size": file.size, "sha256": file.sha256, "content_type": file.content_type}
    return {"path": told["path"], "file": str(file.pk), "key": file.key, **described}


def _record(run: Run, target: Run, *, after: int, is_replay: bool) -> None:
    """Record the results of later calls.

    A replay also gets the model's responses and messages, so that its steps are equal.
    """
    files = _files_by_step(run)
    rows: list[tuple[str, Any, list[dict[str, Any]]]] = []
    asked: dict[str, Mapping[str, Any]] = {}
    for step in run.steps.filter(status__in=SETTLED).order_by("index"):
        result = step.result or {}
        if step.kind == StepKind.MODEL and step.status == StepStatus.DONE:
            # Of calls with one id, which only old rows have, the first was carried out.
            asked = {block["id"]: block for block in reversed(result["content"]) if block.get("type") == "tool_use"}
            if is_replay:
                rows.append(("", result, []))
        elif step.kind == StepKind.TOOL and step.index > after:
            rows.append((*_recorded_result(step, asked.get(step.call_id)), files.get(step.index, [])))
        elif step.kind == StepKind.INPUT and is_replay:
            rows.append((Recording.SAID, _input_of(step) | {"message": _message_of(run, step)}, []))
    Recording.objects.bulk_create(
        Recording(run=target, position=n, digest=name, result=result, artifacts=made)
        for n, (name, result, made) in enumerate(rows)
    )


def _recorded_result(step: Step, asked: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Return the digest of the call that the model asked for, and its result.

    A person may have edited the arguments.
    """
    result = dict(step.result or {})
    result["summary"] = str(result.get("summary", "")).removeprefix(Recording.REUSED)
    wanted = (asked.get("input") or {}) if asked else step.request
    if wanted != step.request:
        result["request"] = step.request
    return digest(asked["name"] if asked else step.tool, wanted), result


def _message_of(run: Run, step: Step) -> dict[str, str] | None:
    """Return the person's message behind an input step; None for one of the engine itself."""
    told = run.events.filter(type="message", data__role="person")
    seq = step.request.get("said_seq")
    found = told.filter(seq=seq) if seq else told.filter(data__step=step.index)
    data = found.values_list("data", flat=True).first()
    return {"text": data["text"], "by": data.get("by", "")} if data else None


def _files_by_step(run: Run) -> dict[int, list[dict[str, Any]]]:
    """Return {step: files that the tool call delivered}.

    File events follow the end of their call, in the run that made it.
    """
    found: dict[int, list[dict[str, Any]]] = {}
    if run.forked_from:
        taken_over = run.steps.filter(kind=StepKind.TOOL, index__lte=run.forked_at_step or 0)
        before = _files_by_step(run.forked_from)
        found = {index: before[index] for index in taken_over.values_list("index", flat=True) if index in before}
    step = 0
    for type_, data in (
        run.events.filter(type__in=("tool.finished", *FILES)).order_by("seq").values_list("type", "data")
    ):
        if type_ == "tool.finished":
            step = data["step"]
        else:
            found.setdefault(step, []).append(_stored(run, data))
    return found
