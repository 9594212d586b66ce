"""Keys that restored data needs: which ones a backup keeps, and the check that present ones match."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from config.backup.errors import BackupError
from config.backup.manifest import KEYS


def content(secret_key: str, encryption_keys: Sequence[str]) -> bytes:
    return json.dumps({"secret_key": secret_key, "encryption_keys": list(encryption_keys)}, indent=1).encode()


def prints(secret_key: str, encryption_keys: Sequence[str]) -> dict[str, Any]:
    """Return fingerprints that identify the keys. Keys are random, so a plain hash does not reveal them."""
    return {"secret_key": _print(secret_key), "encryption_keys": [_print(key) for key in encryption_keys]}


def kept_in(folder: Path) -> dict[str, Any] | None:
    """Return the keys in the backup, or None if it was made without them."""
    try:
        return dict(json.loads((folder / KEYS).read_text()))
    except FileNotFoundError:
        return None


def demand_fit(expected: dict[str, Any], secret_key: str, encryption_keys: Sequence[str]) -> None:
    """Raise BackupError if the restored data could not be read with these keys."""
    ours = prints(secret_key, encryption_keys)
    if ours["secret_key"] != expected["secret_key"]:
        raise BackupError(
            f"The backup was made with another SECRET_KEY: set the one in its {KEYS} or in the secrets.json of the "
            "lost installation. With --other-keys it is restored all the same; authenticator apps and recovery codes "
            "cannot be used then."
        )
    if set(expected["encryption_keys"]) - set(ours["encryption_keys"]):
        raise BackupError(
            f"The backup was made with keys in DESKHAND_ENCRYPTION_KEYS that are not set now: add those in its {KEYS}. "
            "With --other-keys it is restored all the same; authenticator apps and recovery codes cannot be used then."
        )


def _print(key: str) -> str:
    return hashlib.sha256(f"deskhand.backup:{key}".encode()).hexdigest()[:32]
