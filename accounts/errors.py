"""Base class of every error that a person may see.

A service raises a subclass; `config/errors.py` turns it into problem+json, a page, or a fragment. `title` names the
kind of problem, `detail` says in one sentence what is wrong and what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """Error in one field of the input."""

    field: str
    code: str
    message: str


class AppError(Exception):
    """Error that the caller can understand and act on. Never a bug."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request cannot be carried out"

    def __init__(
        self,
        detail: str,
        *,
        fields: Sequence[FieldError] = (),
        extra: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.extra = dict(extra or {})
        self.retry_after_s = retry_after_s


class InvalidInput(AppError):
    """Invalid input; `fields` says where."""

    status = 422
    code = "invalid_input"
    title = "Some of the input does not fit"


class NotFound(AppError):
    """Missing row, or a row of another team. The answer is the same, so that nobody learns which."""

    status = 404
    code = "not_found"
    title = "Not found"


class Forbidden(AppError):
    """Action that the caller may not perform on something that they may see."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class InsufficientScope(Forbidden):
    """Key or role without the scope; `extra` names it as `required_scope`."""

    code = "insufficient_scope"
    title = "Not allowed with this key or role"


class Conflict(AppError):
    """Change of something that has changed since the caller read it."""

    status = 409
    code = "conflict"
    title = "It has changed meanwhile"


class InvalidTransition(Conflict):
    """Status change that the present status no longer allows."""

    code = "invalid_transition"


class LimitReached(AppError):
    """Limit of the team's plan."""

    status = 402
    code = "plan_limit_reached"
    title = "Plan limit reached"


class Unavailable(AppError):
    """Service that does not answer. The caller should retry later."""

    status = 503
    code = "unavailable"
    title = "Not available right now"


DISK_FULL = "The server's disk is full, so nothing of this was kept. Try again when whoever runs the server made room."


def is_disk_full(problem: BaseException | None) -> bool:
    """Return True if the write failed for lack of space.

    That is a full disk, a spent quota, or a file at its size limit.
    """
    return isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
