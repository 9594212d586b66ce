"""Uploads to the store by a signed address: announced, sent past this server's memory, checked, then made a file.

The object is copied away from the signed address before it is checked; the holder of the address could otherwise change
it afterwards.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts.errors import Conflict, FieldError, InvalidInput, NotFound
from accounts.ids import uuid7
from accounts.models import Team, User
from storage import content_types, hooks, names
from storage.downloads import by_app
from storage.models import StoredFile, Upload
from storage.services import answering, forget_object, pieces_of

LIVES = timedelta(hours=1)
MOST_BYTES = 5 * 1024**3
"""Bytes that the S3 protocol accepts in one PUT. If the store is reached only through us, UPLOAD_MAX_BYTES applies."""
IN_MEMORY = 8 * 1024 * 1024
"""Bytes of an upload through this server that stay in memory; larger ones are spooled to disk."""
SALT = "deskhand.upload"
_PIECE = 1024 * 1024
NOT_THAT = "This upload address is mistyped, used up or too old."


def most_bytes() -> int:
    return int(settings.UPLOAD_MAX_BYTES) if by_app() else MOST_BYTES


@transaction.atomic
def begin_upload(*, team: Team, actor: User, name: str, size: int, sha256: str, content_type: str = "") -> Upload:
    """Announce a file of that size and SHA-256. The plan's room is checked now and again on completion."""
    if size > most_bytes():
        message = f"A file may have at most {most_bytes() // 1024 // 1024} MB here."
        raise InvalidInput(message, fields=[FieldError("size", "too_large", message)])
    hooks.file_saving(team_id=team.pk, size=size)
    upload = Upload.objects.create(
        team=team,
        key=f"uploads/{team.pk}/{uuid7()}",
        name=names.display_name(name),
        size=size,
        sha256=sha256.lower(),
        content_type=content_type,
        created_by=actor,
        expires_at=timezone.now() + LIVES,
    )
    audit.record(team=team, actor=actor, action="file.announced", target=upload)
    return upload


def address_of(upload: Upload) -> str:
    """Return the address for the PUT: the store's, or ours if browsers cannot reach the store."""
    if by_app():
        path = reverse("api:file-upload-receive", args=[signing.dumps(str(upload.pk), salt=SALT)])
        return f"{settings.BASE_URL}{path}"
    store: Any = default_storage
    place = {"Bucket": store.bucket_name, "Key": upload.key, "ContentLength": upload.size}
    client = store.connection.meta.client
    seconds = int(LIVES.total_seconds())
    return str(client.generate_presigned_url("put_object", Params=place, ExpiresIn=seconds, HttpMethod="PUT"))


def receive(*, token: str, content: IO[bytes]) -> None:
    """Receive the bytes of an upload whose address leads to this server."""
    upload = _by_token(token)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        while piece := content.read(_PIECE):
            spool.write(piece)
            if spool.tell() > upload.size:
                message = f"More than the {upload.size:,} bytes that were announced."
                raise InvalidInput(message, fields=[FieldError("size", "differs", message)])
        spool.seek(0)
        target = answering(lambda: default_storage.save(upload.key, File(spool)))
    if target != upload.key:  # sent again: the new bytes replace the old ones
        forget_object(upload.key)
        Upload.objects.filter(pk=upload.pk).update(key=target)


def _by_token(token: str) -> Upload:
    try:
        upload_id = UUID(signing.loads(token, salt=SALT, max_age=LIVES))
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound(NOT_THAT) from None
    upload = Upload.objects.filter(pk=upload_id, expires_at__gt=timezone.now()).first()
    if upload is None:
        raise NotFound(NOT_THAT)
    return upload


@transaction.atomic
def complete_upload(*, upload: Upload, actor: User) -> StoredFile:
    """Create the file if the received bytes match the announcement. Otherwise delete them; they can be sent again."""
    locked = Upload.objects.select_for_update().filter(pk=upload.pk).first()
    if locked is None:
        raise NotFound("This upload was completed or has gone.")
    upload = locked
    kept = f"{upload.team_id}/{uuid7()}"
    try:
        answering(lambda: _copy(upload.key, kept))
    except NotFound:
        raise Conflict("Nothing has arrived at the upload address yet. Send the bytes with PUT first.") from None
    try:
        head = _check(upload, kept)
        hooks.file_saving(team_id=upload.team_id, size=upload.size)
        stored = StoredFile.objects.create(
            id=upload.pk,
            team_id=upload.team_id,
            key=kept,
            name=upload.name,
            size=upload.size,
            sha256=upload.sha256,
            content_type=_type_of(upload, head),
            created_by=actor,
        )
    except BaseException:
        forget_object(kept)
        raise
    key = upload.key
    upload.delete()
    audit.record(team=stored.team, actor=actor, action="file.uploaded", target=stored)
    transaction.on_commit(lambda: forget_object(key))
    return stored


def _copy(source: str, target: str) -> None:
    store: Any = default_storage
    if not default_storage.exists(source):
        raise FileNotFoundError(source)
    store.bucket.Object(target).copy_from(CopySource={"Bucket": store.bucket_name, "Key": source})


def _check(upload: Upload, key: str) -> bytes:
    """Read the object in pieces and verify its size and SHA-256; return its first bytes."""
    digest, size, head = hashlib.sha256(), 0, b""
    for piece in pieces_of(key):
        head = head or piece[: content_types.HEAD_BYTES]
        size += len(piece)
        digest.update(piece)
    wrong = []
    if size != upload.size:
        wrong.append(FieldError("size", "differs", f"{upload.size:,} bytes were announced and {size:,} arrived."))
    elif digest.hexdigest() != upload.sha256:
        wrong.append(FieldError("sha256", "differs", f"What arrived has the SHA-256 {digest.hexdigest()}."))
    if wrong:
        raise InvalidInput("This is not the file that was announced. Send it again.", fields=wrong)
    return head


def _type_of(upload: Upload, head: bytes) -> str:
    detected = content_types.detect(name=upload.name, head=head)
    return content_types.specific(detected, upload.content_type)


def delete_abandoned(*, limit: int = 500) -> int:
    """Delete expired uploads and their objects; return how many.

    Expiry is by the database's clock, because that of the machine that sweeps may be wrong by more than an upload's
    lifetime.
    """
    late = list(Upload.objects.filter(expires_at__lt=Now()).order_by("expires_at")[:limit])
    for upload in late:
        if Upload.objects.filter(pk=upload.pk).delete()[0]:
            forget_object(upload.key)
    return len(late)
