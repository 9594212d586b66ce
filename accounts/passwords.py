"""Canonical form of passwords, the same on every keyboard, and validators for new ones.

A password is hashed in the form NFKC (NIST SP 800-63B), with every kind of space as a space (RFC 8265). The validators
stand in Django's AUTH_PASSWORD_VALIDATORS, which pages, API, admin and `createsuperuser` all use.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from django.contrib.auth import password_validation as django_rules
from django.core.exceptions import ValidationError

from accounts.hidden_characters import has_hidden

_LOOKS_EMPTY = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing."""


def prepare(password: str) -> str:
    """Return the canonical form, which is hashed."""
    text = unicodedata.normalize("NFKC", password)
    return "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)


def spellings(password: str) -> list[str]:
    """Return every form that may have been hashed for this password, the canonical one first.

    Older passwords were hashed as typed: composed on most keyboards, decomposed on some.
    """
    found = [prepare(password), password]
    found += [unicodedata.normalize(form, password) for form in ("NFC", "NFD")]
    return list(dict.fromkeys(found))


class VisibleValidator:
    """Validator that refuses a blank password, and characters that nobody can see that they typed."""

    def validate(self, password: str, user: Any = None) -> None:
        if all(unicodedata.category(char)[0] in "ZC" or char in _LOOKS_EMPTY for char in password):
            raise ValidationError("A password cannot be all blanks.", code="password_blank")
        if has_hidden(password):
            message = "This password holds a tab, a line break or another character that cannot be seen."
            raise ValidationError(message, code="password_hidden_characters")

    def get_help_text(self) -> str:
        return "Your password can’t be all blanks."


class UserAttributeSimilarityValidator(django_rules.UserAttributeSimilarityValidator):
    def validate(self, password: str, user: Any = None) -> None:
        super().validate(prepare(password), user)


class MinimumLengthValidator(django_rules.MinimumLengthValidator):
    def validate(self, password: str, user: Any = None) -> None:
        super().validate(prepare(password), user)


class CommonPasswordValidator(django_rules.CommonPasswordValidator):
    def validate(self, password: str, user: Any = None) -> None:
        super().validate(prepare(password), user)
