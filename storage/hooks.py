"""Hooks of storage (see `accounts.hooks`)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from accounts.hooks import hook
from accounts.models import Viewer


@hook
def file_saving(*, team_id: UUID, size: int) -> None:
    """Refuse, by raising, to store a file of `size` bytes. Called inside the transaction of its row."""


@hook
def hidden_files(access: Viewer) -> Q:
    """Return the filter of files that the viewer may not see. Apps that use files register it."""
    return Q()
