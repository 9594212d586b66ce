"""Errors that only the API raises."""

from __future__ import annotations

from django.http import QueryDict

from accounts.errors import AppError, Conflict, FieldError

UNKNOWN = "There is no such parameter here."


class BadParameter(AppError):
    """Invalid query parameter or header."""

    code = "bad_parameter"
    title = "A parameter does not fit"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}", fields=[FieldError(name, "invalid", message)])


def check_parameters(query: QueryDict) -> None:
    """Raise BadParameter for a parameter without a value, or one that is given twice.

    They would be silently ignored otherwise.
    """
    for name, values in query.lists():
        if len(values) > 1:
            raise BadParameter(name[:60], "Give it once; a list is separated by commas.")
        if not values[0].strip():
            raise BadParameter(name[:60], "Give a value, or leave the parameter out.")


class TooLarge(AppError):
    status = 413
    code = "too_large"
    title = "The body is too large"


class PreconditionFailed(AppError):
    """Value of `If-Match` that does not name the present state."""

    status = 412
    code = "precondition_failed"
    title = "It has changed since you read it"


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"
    title = "The first request with this Idempotency-Key is still at work"
