"""Files of a team in the object store. First the object is written and verified, then the row that names it."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.functions import Now
from s3transfer.exceptions import RetriesExceededError

from accounts import audit
from accounts.errors import NotFound, Unavailable, is_disk_full
from accounts.ids import uuid7
from accounts.models import User
from storage import content_types, hooks, names
from storage.models import StoredFile
from storage.ranges import Part

logger = logging.getLogger(__name__)

URL_LIVES_S = 300
IN_USE_STAYS = timedelta(days=1)
_PIECE = 1024 * 1024
_STREAMED = 256 * 1024
_DOWN = "The file store does not answer. Nothing was lost; try again in a moment."
_SAME_TIME_S = 14 * 60
_OTHER_TIME = (
    "The file store refuses this machine, whose clock is wrong. Nothing was lost; whoever runs it has to set the clock."
)
_UNREADABLE = (
    "The answer of the file store cannot be read. Nothing was lost; whoever runs this Deskhand has to see to it."
)
_FULL = "The file store is full. Nothing was lost; whoever runs this Deskhand has to make room in it."


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to store.

    `content_type` is a hint, used only where the bytes say nothing; a page that claims to be a picture is not believed.
    """

    content: BinaryIO | bytes | Path
    name: str
    content_type: str = ""


def save_file(
    *,
    team_id: UUID,
    content: BinaryIO | bytes | Path,
    name: str,
    content_type: str = "",
    created_by: User | None = None,
    expires_at: datetime | None = None,
) -> StoredFile:
    """Store the content under a generated key. The row is written only after the object was read back and verified."""
    file = NewFile(content, name, content_type)
    return save_files([file], team_id=team_id, created_by=created_by, expires_at=expires_at)[0]


def save_files(
    files: Iterable[NewFile], *, team_id: UUID, created_by: User | None = None, expires_at: datetime | None = None
) -> list[StoredFile]:
    """Store several files, all or none.

    All objects are sent before the transaction, because the plan row that `file_saving` locks stays locked until it
    ends.
    """
    objects: list[dict[str, Any]] = []
    try:
        for file in files:
            objects.append(_object(team_id, file))
        with transaction.atomic():
            return [_row(of, team_id=team_id, created_by=created_by, expires_at=expires_at) for of in objects]
    except BaseException:
        for of in objects:
            forget_object(of["key"])
        raise


def _object(team_id: UUID, new: NewFile) -> dict[str, Any]:
    """Store the content as an object; return the fields of its row."""
    with _on_disk(new.content) as file:
        size, sha256, head = _measure(file)
        key = _put(f"{team_id}/{uuid7()}", file, sha256)
    kind = content_types.specific(content_types.detect(name=new.name, head=head), new.content_type)
    return {"key": key, "size": size, "sha256": sha256, "name": names.display_name(new.name), "content_type": kind}


def _row(of: dict[str, Any], *, team_id: UUID, created_by: User | None, expires_at: datetime | None) -> StoredFile:
    hooks.file_saving(team_id=team_id, size=of["size"])
    stored = StoredFile.objects.create(team_id=team_id, created_by=created_by, expires_at=expires_at, **of)
    if created_by is not None:
        audit.record(team=stored.team, actor=created_by, action="file.uploaded", target=stored)
    return stored


@contextmanager
def open_file(stored: StoredFile) -> Iterator[IO[bytes]]:
    """Open the file's content."""
    with answering(lambda: _fetched(stored.key)) as file:
        yield file


def copy_to(stored: StoredFile, path: Path) -> None:
    """Write the file to a path, complete and verified, or not at all."""
    copy_object(key=stored.key, sha256=stored.sha256, path=path)


def copy_object(*, key: str, sha256: str, path: Path) -> None:
    """Write an object to a path, complete and verified, or not at all."""
    part = path.with_name(f".part-{uuid7()}")
    try:
        with answering(lambda: _fetched(key)) as source, part.open("xb") as target:
            shutil.copyfileobj(source, target, _PIECE)
        if _sha256(part) != sha256:
            raise Unavailable("The file is damaged in the file store.")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def signed_url(stored: StoredFile) -> str:
    """Return an address that downloads the file for URL_LIVES_S seconds, without a login; never shown in place."""
    headers = {
        "ResponseContentDisposition": names.content_disposition(stored.name),
        "ResponseContentType": download_type(stored),
    }
    store: Any = default_storage  # django-storages' own parameters; the base class has none
    return str(store.url(stored.key, parameters=headers, expire=URL_LIVES_S))


def pieces(stored: StoredFile, part: Part | None = None) -> Iterator[bytes]:
    """Iterate over the file's bytes as the store sends them.

    A missing store or object raises before the first of them.
    """
    return pieces_of(stored.key, part)


def pieces_of(key: str, part: Part | None = None) -> Iterator[bytes]:
    """Iterate over the bytes of an object that has no row yet."""
    return _read(answering(lambda: _opened(key, part)))


def download_type(stored: StoredFile) -> str:
    """Return the content type of a download: never one that a browser would execute."""
    shown = content_types.inline(stored.content_type)
    return content_types.BINARY if shown is None or stored.content_type == content_types.SVG else shown


def safe_inline_type(stored: StoredFile) -> str | None:
    """Return the type under which a page may show the file, or None. SVG needs a sandboxing Content-Security-Policy."""
    return content_types.inline(stored.content_type)


@transaction.atomic
def delete_file(stored: StoredFile, *, actor: User | None = None) -> None:
    """Delete the row, and its object after the commit. A deletion by a person is audited."""
    key = stored.key
    if actor is not None:
        audit.record(team=stored.team, actor=actor, action="file.deleted", target=stored)
    stored.delete()
    transaction.on_commit(lambda: forget_object(key))


def delete_expired(*, limit: int = 500) -> int:
    """Delete files past their expiry, by the database's clock; return how many.

    A file that is still referenced is tried again after IN_USE_STAYS, so that it does not block the others.
    """
    count = 0
    for stored in StoredFile.objects.filter(expires_at__lt=Now()).order_by("expires_at")[:limit]:
        try:
            with transaction.atomic():
                delete_file(stored)
            count += 1
        except ProtectedError:
            StoredFile.objects.filter(pk=stored.pk).update(expires_at=Now() + IN_USE_STAYS)
    return count


@contextmanager
def _on_disk(content: BinaryIO | bytes | Path) -> Iterator[BinaryIO]:
    """Return the content as a seekable file that can be read more than once."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield file
    elif isinstance(content, bytes):
        with tempfile.SpooledTemporaryFile(max_size=8 * _PIECE) as spool:
            spool.write(content)
            yield spool  # type: ignore[misc]
    else:
        with tempfile.SpooledTemporaryFile(max_size=8 * _PIECE) as spool:
            while piece := content.read(_PIECE):
                spool.write(piece)
            yield spool  # type: ignore[misc]


def _measure(file: BinaryIO) -> tuple[int, str, bytes]:
    """Return the file's size, SHA-256 and first bytes."""
    file.seek(0)
    digest, size, head = hashlib.sha256(), 0, b""
    while piece := file.read(_PIECE):
        head = head or piece[: content_types.HEAD_BYTES]
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    return size, digest.hexdigest(), head


def _put(key: str, file: BinaryIO, sha256: str) -> str:
    """Store the object, read it back and verify it; return its key."""
    try:
        answering(lambda: default_storage.save(key, File(file)))
        with answering(lambda: _fetched(key)) as kept:
            whole = hashlib.file_digest(kept, "sha256").hexdigest() == sha256
        if not whole:
            raise Unavailable("The file store did not keep the file whole. Try again.")
    except Unavailable:
        forget_object(key)
        raise
    return key


def _fetched(key: str) -> IO[bytes]:
    """Download the object, so that reading it cannot fail later."""
    kept = default_storage.open(key)
    kept.file  # noqa: B018 - the property downloads
    return kept


def _opened(key: str, part: Part | None) -> Any:
    """Open the object as a stream; nothing is kept on this server."""
    store: Any = default_storage
    try:
        wanted = {"Range": f"bytes={part.first}-{part.last}"} if part else {}
        return store.bucket.Object(key).get(**wanted)["Body"]
    except ClientError as problem:
        if problem.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            raise FileNotFoundError(key) from problem
        raise


def _read(body: Any) -> Iterator[bytes]:
    with closing(body):
        while piece := answering(lambda: body.read(_STREAMED)):
            yield piece


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def answering(call: Callable[[], Any]) -> Any:
    """Call the object store; turn its failures into NotFound or Unavailable with advice."""
    try:
        return call()
    except FileNotFoundError as problem:
        raise NotFound("The file is no longer in the file store.") from problem
    # botocore raises a plain ValueError for malformed headers, such as an invalid date.
    except (ClientError, BotoCoreError, RetriesExceededError, OSError, ValueError) as problem:
        logger.warning("The object store failed: %s", problem)
        raise Unavailable(_words(problem), retry_after_s=5) from problem


def _words(problem: Exception) -> str:
    """Return the advice for a failed call.

    MinIO, Ceph and others answer 507 when full; our own disk, which spools uploads, may be full, too. A store refuses
    requests with a wrong clock without saying why.
    """
    if isinstance(problem, ClientError):
        metadata = problem.response.get("ResponseMetadata", {})
        if metadata.get("HTTPStatusCode") == HTTPStatus.INSUFFICIENT_STORAGE:
            return _FULL
        if metadata.get("HTTPStatusCode") in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):
            return _OTHER_TIME if _apart_s(metadata.get("HTTPHeaders", {}).get("date", "")) > _SAME_TIME_S else _DOWN
    if isinstance(problem, ValueError):
        return _UNREADABLE
    return _FULL if is_disk_full(problem) else _DOWN


def _apart_s(date: str) -> float:
    """Return the difference between the store's clock and ours in seconds; 0 if `date` is not a date."""
    try:
        return abs(parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0


def forget_object(key: str) -> None:
    """Delete an object. A failure is only logged: the object merely wastes space."""
    try:
        default_storage.delete(key)
    except Exception:
        logger.exception("Object %s could not be removed", key)
