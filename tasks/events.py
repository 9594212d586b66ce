"""Event types of a run: one frozen dataclass for each.

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
    """Creation of the run."""

    title: str
    kind: str
    agent: str
    version: int
    by: str


@_event("run.queued")
class RunQueued(Event):
    """Start of a wait for a worker.

    `reason`: created, scheduled, early, answered, budget, revise, handover, timer, model, continued or requeued.
    """

    reason: str


@_event("run.continued")
class RunContinued(Event):
    """Continuation of a failed run by a person, after its last settled step. Follows a `run.finished`."""

    by: str
    step: int


@_event("run.started")
class RunStarted(Event):
    """First claim of the run by a worker."""

    worker: str
    runtime: str
    badge: str
    model: str


@_event("run.resumed")
class RunResumed(Event):
    """Later claim of the run by a worker, which continues after the last settled step."""

    worker: str
    step: int


@_event("run.waiting")
class RunWaiting(Event):
    """Start of a wait that holds no worker. `kind` as in `waiting_on`; `until`: time of the next automatic try."""

    kind: str
    request: str | None = None
    until: str | None = None
    detail: str = ""


@_event("run.needs_review")
class RunNeedsReview(Event):
    """Start of a person's review of the result."""

    request: str


@_event("run.reviewed")
class RunReviewed(Event):
    """Decision of a review: approve, reject or revise."""

    request: str
    decision: str
    comment: str
    by: str


@_event("run.finished")
class RunFinished(Event):
    """End of the run. After a failed one `run.continued` may follow."""

    status: str
    summary: str = ""
    error_code: str = ""
    error_detail: str = ""
    cost_usd: str = "0.000000"
    active_s: float = 0.0


@_event("attempt.lost")
class AttemptLost(Event):
    """Loss of the run's worker. `reason`: its lease expired, or it stopped before the step ended."""

    worker: str
    recoveries: int
    reason: str


# ---- Reports of the agent


@_event("phase")
class Phase(Event):
    """Start of a new phase of the work."""

    name: str


@_event("plan")
class Plan(Event):
    """Steps that the agent intends to take, each {"title", "status"}."""

    steps: Sequence[Mapping[str, str]]


@_event("feature.started")
class FeatureStarted(Event):
    """Start of work on one feature of a build."""

    name: str
    number: int
    total: int


@_event("feature.finished")
class FeatureFinished(Event):
    """End of work on one feature of a build."""

    name: str
    number: int
    total: int
    is_ok: bool


@_event("activity")
class Activity(Event):
    """Present activity of the agent, in a few words."""

    text: str


@_event("progress")
class Progress(Event):
    """Progress of the agent."""

    done: float
    total: float
    label: str
    eta_s: float | None = None


# ---- Model calls


@_event("model.started")
class ModelStarted(Event):
    """Start of a model call for the next turn."""

    step: int
    model: str
    attempt: int


@_event("model.finished")
class ModelFinished(Event):
    """End of a model call.

    `is_estimate`: the provider sent no usable count, so tokens and cost are our own estimate.
    """

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
    """Text of the agent (`role` agent) or of a person (`role` person). Step 0 marks a message to a live run."""

    step: int
    role: str
    text: str
    by: str = ""


# ---- Tool calls


@_event("tool.requested")
class ToolRequested(Event):
    """Tool call that needs a person's approval."""

    call_id: str
    tool: str
    headline: str
    arguments: Mapping[str, Any]


@_event("tool.started")
class ToolStarted(Event):
    """Start of a tool call; ToolFinished or ToolUnknown with the same call_id follows."""

    step: int
    call_id: str
    tool: str
    title: str
    headline: str
    arguments: Mapping[str, Any]
    icon: str = ""
    """Icon of the tool when it was called; empty in events of older versions."""


@_event("tool.finished")
class ToolFinished(Event):
    """End of a tool call. `preview` is the start of what the model reads; `payload` is JSON for the view."""

    step: int
    call_id: str
    tool: str
    summary: str
    is_error: bool
    duration_s: float
    preview: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    icon: str = ""


@_event("tool.unknown")
class ToolUnknown(Event):
    """Tool call that was sent and whose outcome was never seen. Only a tool that is safe to repeat is repeated."""

    step: int
    call_id: str
    tool: str
    will_repeat: bool


# ---- People


@_event("human.requested")
class HumanRequested(Event):
    """Request of the agent to a person."""

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
    """Answer of a person, or money that became available.

    `decision` is empty for a question; `value` may be a raised limit.
    """

    request: str
    kind: str
    by: str
    decision: str = ""
    value: Any = None
    comment: str = ""


@_event("human.expired")
class HumanExpired(Event):
    """Expiry of a request that nobody answered in time."""

    request: str
    kind: str


# ---- Results and costs


@_event("artifact.created")
class ArtifactCreated(Event):
    """New artifact that is complete in the object store and can be downloaded."""

    artifact: str
    path: str
    size: int
    sha256: str
    content_type: str


@_event("file.changed")
class FileChanged(Event):
    """Newer version of an artifact, complete in the object store."""

    artifact: str
    path: str
    size: int
    sha256: str
    version: int


@_event("test.finished")
class TestFinished(Event):
    """End of a test suite."""

    __test__ = False

    name: str
    passed: int
    failed: int


@_event("memory.saved")
class MemorySaved(Event):
    """Fact that the agent will remember in later runs."""

    memory: str
    text: str


@_event("usage.charged")
class UsageCharged(Event):
    """Settlement of a call in the usage ledger."""

    key: str
    cost_usd: str
    total_usd: str


@_event("budget.warning")
class BudgetWarning(Event):
    """Spending of 80 % of a budget. `scope`: run, agent or team."""

    scope: str
    spent_usd: str
    limit_usd: str


@_event("budget.exhausted")
class BudgetExhausted(Event):
    """Call that was not made because it might exceed the limit."""

    scope: str
    spent_usd: str
    limit_usd: str
    needed_usd: str


@_event("log")
class Log(Event):
    """Line for people who want the details."""

    text: str
    level: str = "info"


@_event("error")
class Error(Event):
    """Error after which the run went on, or because of which it is about to end."""

    code: str
    detail: str
    will_retry: bool = False
