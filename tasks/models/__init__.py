from __future__ import annotations

from tasks.models.circuit import ModelCircuit
from tasks.models.human import HumanRequest, RequestKind, RequestStatus
from tasks.models.journal import RunEvent, Step, StepKind, StepStatus
from tasks.models.run import (
    ENDS_BADLY,
    LIVE,
    TERMINAL,
    TRANSITIONS,
    UNNOTIFIED,
    WAITS_BY_ITSELF,
    Artifact,
    ErrorCode,
    Recording,
    Run,
    RunInput,
    RunKind,
    RunOrigin,
    RunShare,
    RunStatus,
    WaitKind,
)
from tasks.models.task import Task

__all__ = [
    "ENDS_BADLY",
    "LIVE",
    "TERMINAL",
    "TRANSITIONS",
    "UNNOTIFIED",
    "WAITS_BY_ITSELF",
    "Artifact",
    "ErrorCode",
    "HumanRequest",
    "ModelCircuit",
    "Recording",
    "RequestKind",
    "RequestStatus",
    "Run",
    "RunEvent",
    "RunInput",
    "RunKind",
    "RunOrigin",
    "RunShare",
    "RunStatus",
    "Step",
    "StepKind",
    "StepStatus",
    "Task",
    "WaitKind",
]
