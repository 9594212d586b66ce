"""Refusals that only the API knows."""

from __future__ import annotations

from accounts.errors import AppError, Conflict, FieldError


class BadParameter(AppError):
    """A query parameter or header that does not fit."""

    code = "bad_parameter"
    title = "A parameter does not fit"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}", fields=[FieldError(name, "invalid", message)])


class TooLarge(AppError):
    status = 413
    code = "too_large"
    title = "The body is too large"


class PreconditionFailed(AppError):
    """`If-Match` names a state that is not the present one."""

    status = 412
    code = "precondition_failed"
    title = "It has changed since you read it"


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    title = "The first request with this Idempotency-Key is still at work"
