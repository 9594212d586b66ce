"""Everything that can happen in a run: one frozen dataclass for each event type.

The class is the schema: OpenAPI, the docs and the tests read it from here. `data` holds JSON only and never a secret.
Money is a decimal string in USD, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from tasks.event_base import EVENT_TYPES as EVENT_TYPES
from tasks.event_base import Event as Event
from tasks.event_base import event as _event
from tasks.event_base import parse as parse

# ---- The run


@_event("run.created")
class RunCreated(Event):
    """The run exists."""

    title: str
    kind: str
    agent: str
    version: int
    by: str


@_event("run.queued")
class RunQueued(Event):
    """The run waits for a worker.

    `reason`: created, scheduled, early, answered, budget, revise, handover, timer, model, continued or requeued.
    """

    reason: str


@_event("run.continued")
class RunContinued(Event):
    """A person takes a failed run up again after its last settled step. It comes after a `run.finished`."""

    by: str
    step: int


@_event("run.started")
class RunStarted(Event):
    """A worker took the run for the first time."""

    worker: str
    runtime: str
    badge: str
    model: str


@_event("run.resumed")
class RunResumed(Event):
    """A worker took the run again and continues after the last settled step."""

    worker: str
    step: int


@_event("run.waiting")
class RunWaiting(Event):
    """The run waits and holds no worker. `kind` as in `waiting_on`; `until`: when it tries again by itself."""

    kind: str
    request: str | None = None
    until: str | None = None
    detail: str = ""


@_event("run.needs_review")
class RunNeedsReview(Event):
    """The result is there and a person looks at it."""

    request: str


@_event("run.reviewed")
class RunReviewed(Event):
    """A person decided: approve, reject or revise."""

    request: str
    decision: str
    comment: str
    by: str


@_event("run.finished")
class RunFinished(Event):
    """The end. After one that failed `run.continued` may follow."""

    status: str
    summary: str = ""
    error_code: str = ""
    error_detail: str = ""
    cost_usd: str = "0.000000"
    active_s: float = 0.0


@_event("attempt.lost")
class AttemptLost(Event):
    """The worker of the run is gone. `reason`: lease expired, or let go by one that stopped before the step ended."""

    worker: str
    recoveries: int
    reason: str


# ---- What the agent tells about its work


@_event("phase")
class Phase(Event):
    """A new phase of the work began."""

    name: str


@_event("plan")
class Plan(Event):
    """The steps that the agent means to take, each {"title", "status"}."""

    steps: Sequence[Mapping[str, str]]


@_event("feature.started")
class FeatureStarted(Event):
    """Work on one feature of a build began."""

    name: str
    number: int
    total: int


@_event("feature.finished")
class FeatureFinished(Event):
    """One feature of a build is done."""

    name: str
    number: int
    total: int
    is_ok: bool


@_event("activity")
class Activity(Event):
    """What the agent is doing right now, in a few words."""

    text: str


@_event("progress")
class Progress(Event):
    """How far the agent is."""

    done: float
    total: float
    label: str
    eta_s: float | None = None


# ---- Model calls


@_event("model.started")
class ModelStarted(Event):
    """A model was asked for the next turn."""

    step: int
    model: str
    attempt: int


@_event("model.finished")
class ModelFinished(Event):
    """The model answered. `is_estimate`: the provider sent no usable count, so tokens and cost are our own."""

    step: int
    model: str
    stop: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: str
    duration_s: float
    is_estimate: bool = False


@_event("message")
class Message(Event):
    """Text that the agent (`role` agent) or a person (`role` person) wrote. Step 0: said to a live run."""

    step: int
    role: str
    text: str
    by: str = ""


# ---- Tool calls


@_event("tool.requested")
class ToolRequested(Event):
    """The agent wants to call a tool that needs a person's word first."""

    call_id: str
    tool: str
    headline: str
    arguments: Mapping[str, Any]


@_event("tool.started")
class ToolStarted(Event):
    """A tool call was handed to its tool; ToolFinished or ToolUnknown with the same call_id follows."""

    step: int
    call_id: str
    tool: str
    title: str
    headline: str
    arguments: Mapping[str, Any]


@_event("tool.finished")
class ToolFinished(Event):
    """A tool call ended. `preview` is the start of what the model reads; `payload` is JSON for the view."""

    step: int
    call_id: str
    tool: str
    summary: str
    is_error: bool
    duration_s: float
    preview: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


@_event("tool.unknown")
class ToolUnknown(Event):
    """A tool call was sent and its outcome never seen. Only a tool that is safe to repeat is repeated."""

    step: int
    call_id: str
    tool: str
    will_repeat: bool


# ---- People


@_event("human.requested")
class HumanRequested(Event):
    """The agent asks a person."""

    request: str
    kind: str
    title: str
    prompt: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | None = None
    choices: Sequence[str] | None = None
    digest: str = ""
    expires_at: str | None = None


@_event("human.answered")
class HumanAnswered(Event):
    """A person answered, or money came. `decision` is empty for a question; `value` may be a limit that was raised."""

    request: str
    kind: str
    by: str
    decision: str = ""
    value: Any = None
    comment: str = ""


@_event("human.expired")
class HumanExpired(Event):
    """Nobody answered in time."""

    request: str
    kind: str


# ---- What it made


@_event("artifact.created")
class ArtifactCreated(Event):
    """A file is complete in the object store and can be downloaded."""

    artifact: str
    path: str
    size: int
    sha256: str
    content_type: str


@_event("file.changed")
class FileChanged(Event):
    """A newer version of an artifact is complete."""

    artifact: str
    path: str
    size: int
    sha256: str
    version: int


@_event("test.finished")
class TestFinished(Event):
    """A test suite ran."""

    __test__ = False

    name: str
    passed: int
    failed: int


@_event("memory.saved")
class MemorySaved(Event):
    """The agent will remember this in later runs."""

    memory: str
    text: str


@_event("usage.charged")
class UsageCharged(Event):
    """A call was settled in the usage ledger."""

    key: str
    cost_usd: str
    total_usd: str


@_event("budget.warning")
class BudgetWarning(Event):
    """A budget is used up to 80 %. `scope`: run, agent or team."""

    scope: str
    spent_usd: str
    limit_usd: str


@_event("budget.exhausted")
class BudgetExhausted(Event):
    """The next call might pass the limit, so it was not made."""

    scope: str
    spent_usd: str
    limit_usd: str
    needed_usd: str


@_event("log")
class Log(Event):
    """A line for people who look closely."""

    text: str
    level: str = "info"


@_event("error")
class Error(Event):
    """Something went wrong and the run went on, or is about to end because of it."""

    code: str
    detail: str
    will_retry: bool = False
