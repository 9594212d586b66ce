"""Hooks of storage (see `accounts.hooks`)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from accounts.hooks import hook
from accounts.models import Viewer


@hook
def file_saving(*, team_id: UUID, size: int) -> None:
    """Refuse, by raising, that a file of `size` bytes is stored. Called inside the transaction of its row."""


@hook
def hidden_files(access: Viewer) -> Q:
    """Select the files that this viewer may not see: storage does not know what files are used for."""
    return Q()
