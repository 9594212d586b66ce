"""Idempotency-Key: the same POST sent twice has one effect and gets the first response again.

The record of the response commits with the effect or not at all. A refused request leaves no record, so that it may be
sent again with the same key. A repeat during the first request gets 409 at once, by an advisory lock. Forms of pages
carry a key of their own; `run_once_per_form` does the same for them, but waits.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from psycopg.errors import LockNotAvailable
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import AppError
from accounts.models import IdempotencyRecord, Team
from accounts.prepared_sql import Param, PreparedQuery, insert
from accounts.rest.errors import BadParameter, IdempotencyInProgress, IdempotencyKeyReused
from accounts.tenancy import TeamRequest

F = TypeVar("F", bound=Callable[..., Any])
KEPT_FOR = timedelta(hours=24)
"""Lifetime of a record; afterwards the same key is a new request."""
FORM_KEY = "form_key"
_RECORD = PreparedQuery(lambda: IdempotencyRecord.objects.filter(team=Param("team"), key=Param("key")))


def idempotent(*, hide: Collection[str] = (), writes_once: bool = False) -> Callable[[F], F]:
    """Decorate a POST handler to honour `Idempotency-Key`.

    With a key it runs in a transaction. Without one it does too, except with `writes_once`, for handlers whose writes
    are atomic by themselves. `hide` names secret fields of the response: they are not stored, and a repeat shows null.
    """

    def decorate(handler: F) -> F:
        @functools.wraps(handler)
        def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
            key = _key_of(request)
            if key is None:
                with nullcontext() if writes_once else transaction.atomic():
                    return cast(HttpResponse, handler(view, request, *args, **kwargs))
            fingerprint = _fingerprint(request)
            # Who is in no team makes or joins one with this call, and asks again as a member of it.
            team: Team | None = view.team if request.auth else None
            with transaction.atomic():
                _lock(team or request.user, key)
                record = _record_of(team, key) if team else None
                if record is not None:
                    return _replay(record, fingerprint)
                response: Response = handler(view, request, *args, **kwargs)
                _keep(team or view.team, key, fingerprint, response, hide)
                return response

        wrapped.is_idempotent = True  # type: ignore[attr-defined]
        return cast(F, wrapped)

    return decorate


def run_once_per_form(request: TeamRequest, act: Callable[[], Any]) -> Any:
    """Run `act` once for each submission of a form with `{% form_key %}`.

    A repeat gets its stored JSON result. A form with changed content counts as another submission.
    """
    given = request.POST.get(FORM_KEY, "")
    if not given:
        return act()
    fingerprint = _form_fingerprint(request)
    key = "form:" + hashlib.sha256(f"{request.user.pk}:{given}:{fingerprint}".encode()).hexdigest()
    refused: AppError | None = None
    with transaction.atomic():
        _wait(request.team, key)
        if request.FILES:
            allow_a_slow_store()
        if (record := _record_of(request.team, key)) is not None:
            messages.info(request, "This was sent twice. It counts once.")
            return record.body
        try:
            answer = act()
        except AppError as error:
            refused = error  # raised after the commit, so that uploads of the form are kept until they expire
        else:
            insert(IdempotencyRecord(team=request.team, key=key, fingerprint=fingerprint, status=200, body=answer))
    if refused is not None:
        raise refused
    return answer


def allow_a_slow_store() -> None:
    """Allow ten minutes of idle time in this transaction. Storing a large file may take that long."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")


def _key_of(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise BadParameter("Idempotency-Key", "Use 1 to 255 printable ASCII characters.")
    return key


def _fingerprint(request: Request) -> str:
    """Return a digest of method, path and body. Files count by name and content."""
    body: Any = request.data
    return _digest(request, _as_lists(body) if hasattr(body, "lists") else body)


def _form_fingerprint(request: HttpRequest) -> str:
    """Return the digest of a form, without its CSRF token, which differs each time."""
    fields = _as_lists(request.POST) | {f"file {name}": files for name, files in _as_lists(request.FILES).items()}
    return _digest(request, {name: fields[name] for name in fields if name != "csrfmiddlewaretoken"})


def _digest(request: Request | HttpRequest, body: Any) -> str:
    text = json.dumps([request.method, request.path, request.META.get("QUERY_STRING", ""), body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_lists(body: Any) -> dict[str, list[Any]]:
    return {name: [_comparable(value) for value in values] for name, values in body.lists()}


def _comparable(value: Any) -> Any:
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return [value.name, value.content_type, digest.hexdigest()]


def _lock(owner: Any, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_number(owner, key)])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise IdempotencyInProgress("The first request with this key is not finished. Ask again.", retry_after_s=1)


def _wait(owner: Any, key: str) -> None:
    """Wait for the lock, because a browser shows the response to its last request.

    That must be the result of the first, not a refusal. Raises IdempotencyInProgress at the lock timeout.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(owner, key)])
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        detail = "This was sent twice, and the first is still being carried out. Look in a moment what came of it."
        raise IdempotencyInProgress(detail, retry_after_s=5) from error


def _number(owner: Any, key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"idempotency:{owner.pk}:{key}".encode()).digest()[:8], signed=True)


def _record_of(team: Team, key: str) -> IdempotencyRecord | None:
    record = _RECORD.first(team=team.pk, key=key)
    if record is not None and record.created_at < timezone.now() - KEPT_FOR:
        record.delete()
        return None
    return record


def _replay(record: IdempotencyRecord, fingerprint: str) -> HttpResponse:
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReused("This key was used with another body or path. Use a new key for a new request.")
    response = HttpResponse(record.body, status=record.status, content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def _keep(team: Team, key: str, fingerprint: str, response: Response, hide: Collection[str]) -> None:
    shown = {name: None if name in hide else value for name, value in response.data.items()}
    body = JSONRenderer().render(shown).decode()
    status = response.status_code
    insert(IdempotencyRecord(team=team, key=key, fingerprint=fingerprint, status=status, body=body))
