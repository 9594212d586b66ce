"""Files of a form: sent with it, or uploaded one by one before (static/dist/js/uploads.js)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

from accounts.models import Team, User
from accounts.tenancy import Access
from storage.models import StoredFile
from storage.services import NewFile, save_files

UNUSED_LIVES = timedelta(days=2)
"""Time after which a file that no run uses is deleted. Files of runs are kept."""


def check_size(upload: UploadedFile[Any]) -> None:
    if (upload.size or 0) > settings.UPLOAD_MAX_BYTES:
        limit = settings.UPLOAD_MAX_BYTES // 1024 // 1024
        raise ValidationError(f"{upload.name} is larger than {limit} MB, the most that one file may have here.")


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Field for any number of files; the cleaned value is a list."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=FilesInput(attrs=upload_attrs(multiple=True)), **options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        cleaned = [super(FilesField, self).clean(one, initial) for one in given]
        for upload in cleaned:
            check_size(upload)
        return cleaned


def upload_attrs(*, multiple: bool = False) -> dict[str, Any]:
    attrs: dict[str, Any] = {"data-max-bytes": settings.UPLOAD_MAX_BYTES}
    return attrs | {"multiple": True, "data-uploads": "attached"} if multiple else attrs


def keep(uploads: Iterable[UploadedFile[Any]], *, team: Team, actor: User) -> list[StoredFile]:
    """Store the uploads of a form."""
    files = [NewFile(one, one.name or "file", one.content_type or "") for one in uploads]  # type: ignore[arg-type]
    return save_files(files, team_id=team.pk, created_by=actor, expires_at=timezone.now() + UNUSED_LIVES)


def uploaded_before(ids: list[str], access: Access) -> list[StoredFile]:
    """Return the files of these ids that the person may see, in the same order. Others are left out."""
    wanted = [UUID(one) for one in ids if _is_uuid(one)]
    found = StoredFile.objects.visible_to(access).in_bulk(wanted)
    return [found[one] for one in wanted if one in found]


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
