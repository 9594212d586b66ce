"""`secrets.json`: the passwords of this installation, generated once, readable by its owner only."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from config.embedded.errors import PartError

_MAKERS: Mapping[str, Callable[[], str]] = {
    "secret_key": lambda: secrets.token_urlsafe(50),
    "postgres_admin": lambda: secrets.token_urlsafe(24),
    "postgres": lambda: secrets.token_urlsafe(24),
    "valkey": lambda: secrets.token_urlsafe(24),
    "s3_key": lambda: secrets.token_hex(10),
    "s3_secret": lambda: secrets.token_urlsafe(30),
}


def load(home: Path) -> dict[str, str]:
    """Return the keys of this folder; generate missing ones. Raises PartError if existing data needs a lost key."""
    path = home / "secrets.json"
    try:
        keys = json.loads(path.read_text())
        if not isinstance(keys, dict):
            raise TypeError
    except FileNotFoundError:
        if (home / "pg").exists():
            raise PartError(
                f"{path} is missing, but {home / 'pg'} holds data that needs it: "
                f"put the file back, or move {home} away to start afresh."
            ) from None
        keys = {}
    except (ValueError, TypeError, OSError) as error:
        raise PartError(f"{path} cannot be read ({error}): put a good copy back.") from error
    if missing := {name: make() for name, make in _MAKERS.items() if name not in keys}:
        keys |= missing
        write_private(path, json.dumps(keys, indent=1))
    return keys


def write_private(path: Path, text: str) -> None:
    """Replace the file atomically, readable by its owner only. On a full disk the old content stays."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
