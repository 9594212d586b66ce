"""PostgreSQL, Valkey and S3 as child processes from wheels: no Docker, no account, no root needed."""

from __future__ import annotations

from config.embedded.errors import PartError
from config.embedded.services import Services

__all__ = ["PartError", "Services"]
