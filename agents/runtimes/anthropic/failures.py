"""Failed calls as ModelError: kind, whether and when to retry, whether it may be billed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2
from anthropic import APIConnectionError, APIStatusError

from agents.runtimes.anthropic.bounds import TooLong
from agents.runtimes.base import ModelError

LONGEST_WAIT_S = 24 * 3600.0
MAX_REFERENCE = 100


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    retryable: bool
    billed: bool
    """True if the provider may have done, and may bill, the work although no usable answer came."""
    says: str


RATE_LIMIT = Kind("rate_limit", True, False, "The model provider's rate limit is reached.")
OVERLOADED = Kind("overloaded", True, False, "The model provider is overloaded.")
SERVER = Kind("server", True, True, "The model provider had a fault.")
TIMEOUT = Kind("timeout", True, True, "The model did not answer in time.")
CONNECTION = Kind("connection", True, True, "The connection to the model provider broke.")
UNREACHABLE = Kind("connection", True, False, "The model provider cannot be reached.")
MALFORMED = Kind("malformed", True, True, "The model provider sent an answer that cannot be read.")
TOO_LONG = Kind("too_long", True, True, "The model provider sent more than its answer may hold, so it was cut off.")
BAD_REQUEST = Kind("bad_request", False, False, "The model provider refused the request.")
AUTH = Kind("auth", False, False, "The model provider refused our key.")
BILLING = Kind("billing", False, False, "The account with the model provider cannot pay.")
NOT_FOUND = Kind(
    "not_found", False, False, "The model provider does not offer this model. Choose another one for the agent."
)

BY_TYPE = {
    "rate_limit_error": RATE_LIMIT,
    "overloaded_error": OVERLOADED,
    "api_error": SERVER,
    "timeout_error": TIMEOUT,
    "invalid_request_error": BAD_REQUEST,
    "request_too_large": BAD_REQUEST,
    "authentication_error": AUTH,
    "permission_error": AUTH,
    "billing_error": BILLING,
    "not_found_error": NOT_FOUND,
}
BY_STATUS = {
    401: AUTH, 402: BILLING, 403: AUTH, 404: NOT_FOUND, 408: TIMEOUT, 409: SERVER, 429: RATE_LIMIT, 503: OVERLOADED,
    504: TIMEOUT, 529: OVERLOADED,
}  # fmt: skip


def of(error: Exception, *, partial: str) -> ModelError:
    """Convert any exception of a call to a ModelError."""
    if isinstance(error, APIStatusError):
        return _of_status(error, partial)
    if isinstance(error, APIConnectionError | httpx2.HTTPError) and not isinstance(error, httpx2.SSEError):
        return _of_connection(error, partial)
    if isinstance(error, TooLong | httpx2.SSEError):
        return made(TOO_LONG, partial=partial, detail=str(error)[:300])
    if isinstance(error, TimeoutError):
        return made(TIMEOUT, partial=partial)
    return made(MALFORMED, partial=partial, detail=str(error)[:300])


def _of_status(error: APIStatusError, partial: str) -> ModelError:
    """Convert an error that the provider reported: a response, or an event inside a stream that began with 200."""
    kind = BY_TYPE.get(str(error.type)) or BY_STATUS.get(error.status_code)
    if kind is None:
        kind = SERVER if error.status_code >= 500 or error.status_code == 200 else BAD_REQUEST
    began = error.status_code == 200
    headers = httpx2.Headers() if began else error.response.headers
    message = f" It said: {error.api_message}" if error.api_message else ""
    reference = f" (request {error.request_id[:MAX_REFERENCE]})" if error.request_id else ""
    return ModelError(
        f"{kind.says}{message[:500]}{reference}",
        kind=kind.name,
        retryable=_should_retry(headers, kind),
        sent=began or kind.billed,
        retry_after_s=retry_after_s(headers),
        partial=partial,
    )


def _of_connection(error: Exception, partial: str) -> ModelError:
    """Convert a connection failure: no complete answer arrived."""
    cause = error.__cause__ if isinstance(error, APIConnectionError) and error.__cause__ else error
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return made(UNREACHABLE)
    return made(TIMEOUT if isinstance(cause, httpx2.TimeoutException) else CONNECTION, partial=partial)


def made(kind: Kind, *, partial: str = "", detail: str = "") -> ModelError:
    return ModelError(
        f"{kind.says} {detail}".strip(), kind=kind.name, retryable=kind.retryable, sent=kind.billed, partial=partial
    )


def retry_after_s(headers: httpx2.Headers) -> float | None:
    """Return the provider's requested wait in seconds, from milliseconds, seconds or a date, in this order."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return _within(float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        return _within(parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None


def _within(seconds: float) -> float:
    """Clamp to 0..LONGEST_WAIT_S. NaN would pass through min and max, so it counts as 0."""
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if seconds == seconds else 0.0


def _should_retry(headers: httpx2.Headers, kind: Kind) -> bool:
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""), kind.retryable)
