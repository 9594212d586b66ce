"""Tool calls of a run: check, approve, intend, carry out, settle."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from accounts.ids import uuid7
from tasks import events
from tasks.call_digest import digest
from tasks.engine import conversation, human_requests, intake
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import ArtifactWrite, StepWrite
from tasks.engine.conversation import ToolCall
from tasks.engine.resources import WorkerResources
from tasks.engine.tool_executor import ToolExecutor
from tasks.engine.workspace import Saved
from tasks.models import ErrorCode, Recording, RequestStatus, StepKind, StepStatus, WaitKind
from tools import arguments as tool_arguments
from tools import catalog
from tools.errors import OutcomeUnknown, TryAgain
from tools.spec import Effect, Policy, ToolResult, ToolSpec

MAX_REFUSALS = 3
"""Refusals of the same call after which the run fails."""
MAX_NAME = 80
"""Characters of an invented tool name that are kept."""


class ToolCalls:
    """Tool calls of one run."""

    def __init__(self, run: ClaimedRun, ports: WorkerResources) -> None:
        self._run = run
        self._executor = ToolExecutor(run, ports)

    async def close(self) -> None:
        """Stop the call in progress and delete the files, because the run leaves this worker."""
        self._executor.stop()
        await self._executor.clean_up()

    async def load_catalog(self) -> None:
        """Look up the run's tools, on a thread where that asks the database. One claim keeps what it found."""
        team_id, tools = self._run.row["team_id"], self._run.row["tools"]
        if catalog.queries_database(tools):
            look_up = partial(catalog.for_run, team_id=team_id, tools=tools)
            self._run.catalog = await self._executor.retry_while_away(look_up)

    async def carry_out(self, call: ToolCall) -> None:
        """Settle one call of the model. Raises Released to wait for a person."""
        run = self._run
        step = self._step_of(call)
        spec = self._usable(call.tool)
        if call.problem:
            problem = call.problem
        elif spec is None:
            problem = self._why_no_tool(call.tool)
        else:
            problem = tool_arguments.check(spec, call.arguments) or ""
        if spec is not None:
            step.spec = asdict(spec.record(step.request))
        recorded = run.recordings.of_call(call.tool, call.arguments, problem) if step.attempt == 0 else None
        if recorded is not None:
            self._reuse(step, recorded)
            return
        if run.recordings.is_replay:
            detail = f"The recording ends here: it has no answer to this call of {step.tool}."
            await run.fail(ErrorCode.TOOL_ERROR, detail)
        if spec is None or problem:
            self._refuse(step, problem)
            return
        if spec.is_engine_tool:
            await self._ask(call, step)
            return
        note = ""
        if run.policy_of(spec.name) == Policy.ASK:
            decided = await self._decided(call, spec, step)
            if not decided.is_allowed:
                await self._not_allowed(step, decided.why_not)
                return
            step.request, note = dict(decided.arguments), decided.note
            step.spec = asdict(spec.record(step.request))
        await self._make(spec, step, note)

    # ---- Checks and approvals

    def _usable(self, name: str) -> ToolSpec | None:
        return next((spec for spec in conversation.usable_tools(self._run) if spec.name == name), None)

    def _why_no_tool(self, name: str) -> str:
        is_gone = self._run.policy_of(name) not in (None, Policy.DENY) and name not in self._run.catalog
        return intake.tool_gone(name) if is_gone else intake.no_tool(name)

    def _step_of(self, call: ToolCall) -> StepWrite:
        for step in self._run.steps.values():
            if step.call_id == call.id and step.index > call.asked_at:
                return step
        index = self._run.next_index
        return StepWrite(
            index=index,
            kind=StepKind.TOOL,
            status=StepStatus.INTENT,
            attempt=0,
            call_id=call.id,
            tool=call.tool[:MAX_NAME],
            request=dict(call.arguments),
        )

    async def _ask(self, call: ToolCall, step: StepWrite) -> None:
        asked = self._run.request_for(call.id, "question", after=call.asked_at)
        if asked is None:
            request = human_requests.question(call, step_index=step.index, now=self._run.now())
            await self._run.wait(kind=WaitKind.QUESTION, request=request)
        if asked["status"] == RequestStatus.OPEN:
            await self._run.wait(kind=WaitKind.QUESTION)
        content, is_error = human_requests.answer_text(asked)
        self._write(step, {"content": content, "is_error": is_error, "summary": "Asked a person"})

    async def _decided(self, call: ToolCall, spec: ToolSpec, step: StepWrite) -> human_requests.Decision:
        asked = self._run.request_for(call.id, "approval", after=call.asked_at)
        if asked is None:
            headline = spec.headline(call.arguments) or spec.title
            self._run.emit(
                events.ToolRequested(call_id=call.id, tool=spec.name, headline=headline, arguments=call.arguments)
            )
            request = human_requests.approval(call, spec, step_index=step.index, now=self._run.now())
            await self._run.wait(kind=WaitKind.APPROVAL, request=request)
        if asked["status"] == RequestStatus.OPEN:
            await self._run.wait(kind=WaitKind.APPROVAL)
        return human_requests.decision(asked, call)

    async def _not_allowed(self, step: StepWrite, why_not: str) -> None:
        refused = digest(step.tool, step.request)
        self._write(step, {"content": why_not, "is_error": True, "summary": "Not allowed", "refused": refused})
        since = self._run.row["continued_at_step"]
        later = [s for s in self._run.steps.values() if s.index > since]
        again = [s for s in later if (s.result or {}).get("refused") == refused]
        if len(again) >= MAX_REFUSALS:
            detail = f"The agent asked {len(again)} times for the same call that was not allowed: {step.tool}."
            await self._run.fail(ErrorCode.NO_PROGRESS, detail)

    # ---- Carrying it out

    async def _make(self, spec: ToolSpec, step: StepWrite, note: str) -> None:
        await self._executor.prepare(spec)
        async with self._executor.slot(spec):
            await self._intend(step, spec)
            started = time.monotonic()
            try:
                result = await self._executor.call(spec, step)
            except OutcomeUnknown as lost:
                await self._ask_what_happened(spec, step, str(lost))
                return
            except TryAgain as error:
                result = await self._executor.wait_until_it_can_begin(spec, error)
        if note:
            result = replace(result, content=f"{note}\n\n{result.content}")
        saved, problem = await self._executor.save()
        if problem:
            result = _with_problem(spec, result, problem)
        self._settle(step, result, saved, duration_s=time.monotonic() - started)

    async def _ask_what_happened(self, spec: ToolSpec, step: StepWrite, why: str) -> None:
        """Wait for a person. The step stays an intent; the answer settles it when the run resumes."""
        self._run.emit(events.ToolUnknown(step=step.index, call_id=step.call_id, tool=step.tool, will_repeat=False))
        request = human_requests.unknown_effect(step, spec.record(step.request), why)
        await self._run.wait(kind=WaitKind.UNKNOWN_EFFECT, request=request)

    async def _intend(self, step: StepWrite, spec: ToolSpec) -> None:
        step.attempt += 1
        step.status = StepStatus.INTENT
        step.effect_began = spec.effect == Effect.EFFECTFUL and not spec.announces_effect
        self._run.write_step(step)
        self._run.emit(
            events.ToolStarted(
                step=step.index,
                call_id=step.call_id,
                tool=spec.name,
                title=spec.title,
                headline=spec.headline(step.request) or spec.title,
                arguments=step.request,
                icon=spec.icon,
            )
        )
        await self._run.flush()

    # ---- Settling

    def _settle(self, step: StepWrite, result: ToolResult, saved: list[Saved], *, duration_s: float) -> None:
        payload = dict(result.data)
        self._write(
            step,
            {"content": result.content, "is_error": result.is_error, "summary": result.summary},
            duration_s=duration_s,
            payload=payload,
        )
        for file in saved:
            self._run.pending.artifacts[file.write.path] = file.write
            described: dict[str, Any] = {"size": file.size, "sha256": file.sha256}
            artifact, path = str(file.write.id), file.write.path
            self._run.artifacts[path] = {"id": file.write.id, "path": path, "version": file.write.version, **described}
            if file.write.version == 1:
                kind = file.content_type
                self._run.emit(events.ArtifactCreated(artifact=artifact, path=path, content_type=kind, **described))
            else:
                self._run.emit(
                    events.FileChanged(artifact=artifact, path=path, version=file.write.version, **described)
                )

    def _reuse(self, step: StepWrite, recorded: DictRow) -> None:
        """Settle the call with its result in the run that this one was forked from."""
        result = dict(recorded["result"])
        step.request = result.pop("request", step.request)
        self._write(step, result | {"summary": f"{Recording.REUSED}{result['summary']}", "reused": True})
        for kept in recorded["artifacts"]:
            have = self._run.artifacts.get(kept["path"])
            write = ArtifactWrite(
                id=have["id"] if have else uuid7(),
                path=kept["path"],
                file_id=UUID(kept["file"]),
                version=have["version"] + 1 if have else 1,
            )
            self._run.pending.artifacts[write.path] = write
            self._run.artifacts[write.path] = kept | {"id": write.id, "version": write.version}
            self._executor.workspace.adopt(self._run.artifacts[write.path])
            described: dict[str, Any] = {name: kept[name] for name in ("size", "sha256", "content_type")}
            self._run.emit(events.ArtifactCreated(artifact=str(write.id), path=write.path, **described))

    def _refuse(self, step: StepWrite, text: str) -> None:
        """Settle the call as refused, with the reason for the model."""
        self._write(step, {"content": text, "is_error": True, "summary": text})

    def _write(
        self,
        step: StepWrite,
        result: dict[str, Any],
        *,
        duration_s: float = 0.0,
        payload: dict[str, Any] | None = None,
    ) -> None:
        step.status = StepStatus.FAILED if result["is_error"] else StepStatus.DONE
        step.attempt = max(step.attempt, 1)
        step.result = result
        self._run.write_step(step)
        self._run.emit(
            events.ToolFinished(
                step=step.index,
                call_id=step.call_id,
                tool=step.tool,
                summary=result["summary"],
                is_error=result["is_error"],
                duration_s=round(duration_s, 3),
                preview=result["content"][:2000],
                payload=payload or {},
                icon=(step.spec or {}).get("icon", ""),
            )
        )


def _with_problem(spec: ToolSpec, result: ToolResult, problem: str) -> ToolResult:
    """Return the result of a call whose files could not be stored. An effect outside still counts as done."""
    content = f"{result.content}\n\n{problem}"
    if spec.effect == Effect.EFFECTFUL and not result.is_error:
        return replace(result, content=content)
    return ToolResult(content=content, summary=problem, is_error=True)
