"""Secrets that we must be able to read again are in the database only encrypted, with keys that are not in it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def encrypt(text: str) -> str:
    """With the first key."""
    return _ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY).encrypt(text.encode()).decode()


def decrypt(text: str) -> str:
    """With whichever key it was encrypted; cryptography.fernet.InvalidToken if that one is gone."""
    return _ring(tuple(settings.ENCRYPTION_KEYS), settings.SECRET_KEY).decrypt(text.encode()).decode()


@cache
def _ring(keys: tuple[str, ...], secret: str) -> MultiFernet:
    """The given keys, else one that follows from the signing key."""
    derived = base64.urlsafe_b64encode(hashlib.sha256(f"deskhand.encryption:{secret}".encode()).digest()).decode()
    return MultiFernet([Fernet(key) for key in keys or (derived,)])
