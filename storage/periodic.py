"""Periodic jobs of storage."""

from __future__ import annotations

from accounts.periodic_jobs import register
from storage import services, uploads

BATCH = 200


def delete_expired_files() -> None:
    """Delete files whose time is over, and uploads that nobody finished."""
    services.delete_expired(limit=BATCH)
    uploads.delete_abandoned(limit=BATCH)


register("storage", delete_expired_files, every_s=3600, lane="store")
