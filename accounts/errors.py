"""The root of every error that a person may see.

A service raises a subclass; `config/errors.py` turns it into problem+json, a page, or a fragment.
`title` is the kind of problem, `detail` says in one sentence what is wrong and what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of the input."""

    field: str
    code: str
    message: str


class AppError(Exception):
    """Something the caller can understand and act on. Never a bug."""

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
    """The input does not fit; `fields` says where."""

    status = 422
    code = "invalid_input"
    title = "Some of the input does not fit"


class NotFound(AppError):
    """There is no such thing, or it belongs to another team: the two are never told apart."""

    status = 404
    code = "not_found"
    title = "Not found"


class Forbidden(AppError):
    """The person may see this but may not do it."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class InsufficientScope(Forbidden):
    """The key or role lacks a right; `extra` names it as `required_scope`."""

    code = "insufficient_scope"
    title = "Not allowed with this key or role"


class Conflict(AppError):
    """The thing has changed since the caller looked at it."""

    status = 409
    code = "conflict"
    title = "It has changed meanwhile"


class InvalidTransition(Conflict):
    """A status cannot become that one any more."""

    code = "invalid_transition"


class LimitReached(AppError):
    """The team's plan does not allow one more."""

    status = 402
    code = "plan_limit_reached"
    title = "Plan limit reached"


class Unavailable(AppError):
    """A part that is needed does not answer; trying again later is right."""

    status = 503
    code = "unavailable"
    title = "Not available right now"


DISK_FULL = "The server's disk is full, so nothing of this was kept. Try again when whoever runs the server made room."


def is_disk_full(problem: BaseException | None) -> bool:
    """Whether there was no room for what was written: none at all, none for this user, none in one file."""
    return isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
