"""Encryption of secrets that must be readable again, with keys that are not in the database."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def encrypt(text: str) -> str:
    """Encrypt with the first key of ENCRYPTION_KEYS."""
    return _key_ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY).encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """Decrypt with whichever key fits. Raises cryptography.fernet.InvalidToken if that key is gone."""
    return _key_ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY).decrypt(text.encode()).decode()


@cache
def _key_ring(keys: tuple[str, ...], secret: str) -> MultiFernet:
    """Return the configured keys, or without any a key derived from SECRET_KEY."""
    derived = base64.urlsafe_b64encode(hashlib.sha256(f"deskhand.encryption:{secret}".encode()).digest()).decode()
    return MultiFernet([Fernet(key) for key in keys or (derived,)])
