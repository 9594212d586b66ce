"""Audit entries: every successful write of the API leaves one.

New operations are tried without being named here. If the first call of one does not succeed, it needs a call of its own
below; otherwise it lowers the share of tried operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, cast

import pytest
import schemathesis
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Role, Team, User
from storage.models import StoredFile, Upload
from storage.uploads import begin_upload
from tasks.models import Artifact, HumanRequest, Run, RunInput, RunStatus
from tests.architecture.rows import CANARY, Rows
from tests.config.calls import Operation
from tests.config.test_api_fuzz import full_of_things
from tests.factories import PASSWORD, MembershipFactory

pytestmark = pytest.mark.django_db
SAFE = {"GET", "HEAD", "OPTIONS"}
SILENT = {
    "POST /api/v1/auth/verify-email/": "says whose an address is; the account that it opens was recorded",
    "PUT /api/v1/files/received/{token}/": "brings the bytes of a file that was announced and is recorded later",
    "POST /api/v1/notifications/read/": "only says what a person has seen",
    "POST /api/v1/notifications/{id}/read/": "only says what a person has seen",
    "POST /api/v1/invitations/{token}/accept/": "its token is in no row; its own test looks for the entry",
    "POST /api/v1/auth/token/revoke/": "its own test looks for the entry; here no token is good",
    "POST /api/v1/auth/token/refresh/": "goes on with a sign-in that was recorded",
}


def _verify(rows: Rows) -> None:
    person = rows.of[User]
    person.emailaddress_set.create(email=person.email, verified=True, primary=True)  # type: ignore[attr-defined]


def _add_owner(rows: Rows) -> None:
    MembershipFactory(team=rows.of[Team], role=Role.OWNER, user__email="dora@example.com")


def _let_time_pass(rows: Rows) -> None:
    Invitation.objects.update(sent_at=timezone.now() - timedelta(hours=1))


def _free_file(rows: Rows) -> None:
    for model in (Artifact, RunInput):
        model.objects.filter(file=rows.of[StoredFile]).delete()


def _send(rows: Rows) -> None:
    """Prepare an upload with its bytes under the id that the calls name."""
    _free_file(rows)
    StoredFile.objects.all().delete()
    given = {"name": "a.txt", "size": 1, "sha256": sha256(b"a").hexdigest()}
    upload = begin_upload(team=cast(Team, rows.of[Team]), actor=cast(User, rows.of[User]), **given)
    default_storage.save(upload.key, ContentFile(b"a"))
    Upload.objects.filter(pk=upload.pk).update(id=rows.of[StoredFile].pk)


def _end(rows: Rows) -> None:
    Run.objects.update(status=RunStatus.FAILED, finished_at=timezone.now())


def _schedule(rows: Rows) -> None:
    start_at = timezone.now() + timedelta(hours=1)
    Run.objects.update(status=RunStatus.SCHEDULED, start_at=start_at, finished_at=None, lease_expires_at=None)


def _ask_for_review(rows: Rows) -> None:
    Run.objects.update(status=RunStatus.NEEDS_REVIEW)
    HumanRequest.objects.update(kind="review")


PREPARED: dict[str, tuple[Callable[[Rows], None] | None, Callable[[Rows], Any] | None]] = {
    "POST /api/v1/auth/sign-up/": (None, lambda rows: {"email": "new@example.com", "password": PASSWORD}),
    "POST /api/v1/auth/token/": (_verify, lambda rows: {"email": rows.of[User].email, "password": PASSWORD}),  # type: ignore[attr-defined]
    "POST /api/v1/teams/{slug}/transfer/": (
        _add_owner,
        lambda rows: {"user": str(User.objects.get(email="dora@example.com").pk)},
    ),
    "POST /api/v1/teams/{slug}/leave/": (_add_owner, None),
    "PATCH /api/v1/teams/{slug}/members/{user_pk}/": (_add_owner, lambda rows: {"role": "member"}),
    "DELETE /api/v1/teams/{slug}/members/{user_pk}/": (_add_owner, None),
    "POST /api/v1/teams/{slug}/invitations/{invitation_pk}/resend/": (_let_time_pass, None),
    "POST /api/v1/files/": (None, lambda rows: {"file": "a.txt"}),
    "POST /api/v1/files/{id}/complete/": (_send, None),
    "DELETE /api/v1/files/{id}/": (_free_file, None),
    "PUT /api/v1/budgets/team/": (None, lambda rows: {"limit_usd": "5.00"}),
    "PUT /api/v1/budgets/agents/{agent_pk}/": (None, lambda rows: {"limit_usd": "5.00"}),
    "POST /api/v1/runs/{id}/start/": (_schedule, None),
    "POST /api/v1/runs/{id}/retry/": (_end, None),
    "POST /api/v1/runs/{id}/continue/": (_end, None),
    "POST /api/v1/runs/bulk-continue/": (_end, None),
    "POST /api/v1/runs/{id}/replay/": (_end, None),
    "POST /api/v1/runs/bulk-retry/": (_end, None),
    "POST /api/v1/runs/{id}/review/": (_ask_for_review, lambda rows: {"decision": "approve"}),
}
"""Preparation of each operation for a successful call, and its body."""
QUERIES = {"DELETE /api/v1/teams/{slug}/": {"confirm": CANARY}}


def test_every_write_over_the_api_leaves_an_entry(team: Team, alice: User) -> None:
    rows, owner = full_of_things(team, alice), Client(raise_request_exception=False)
    owner.force_login(alice)
    document = schemathesis.openapi.from_dict(Client().get("/api/schema/").json())
    silent, refused, recorded = [], [], 0
    for made in document.get_all_operations():
        operation = Operation(cast(Any, made).ok(), rows.of)
        name = f"{operation.made.method.upper()} {operation.made.path}"
        if operation.made.method.upper() in SAFE or name in SILENT:
            continue
        with transaction.atomic():
            before = AuditEntry.objects.count()
            answer = _answer(name, operation, rows, owner)
            if answer.status_code >= 400:
                refused.append(f"{name}: {answer.status_code} {answer.content[:200]!r}")
            elif AuditEntry.objects.count() == before:
                silent.append(name)
            else:
                recorded += 1
            transaction.set_rollback(True)

    assert silent == []
    assert len(refused) <= recorded / 5, "\n".join(refused)
    assert recorded > 35


def _answer(name: str, operation: Operation, rows: Rows, client: Client) -> Any:
    """Return the response to one call that should succeed."""
    prepare, body = PREPARED.get(name, (None, None))
    if prepare is not None:
        prepare(rows)
    call = replace(next(operation.spoilt(operation.calls()[0])), query=QUERIES.get(name, {}))
    return (replace(call, body=body(rows)) if body else call).sent_by(client)
