"""Canonical spelling of email addresses: one for each mailbox, so that no two accounts share one.

The local part becomes lower-case ASCII without needless quotation marks. The domain takes the form that mail is sent
to (IDNA 2008 with the mapping of UTS 46): `Ann@BÜCHER.example` becomes `ann@xn--bcher-kva.example`. Invisible
characters are removed at both ends, where copying leaves them, and refused inside.
"""

from __future__ import annotations

import re
import unicodedata

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

INVALID = "Enter a valid email address."
MAX_CHARS = 254
HIDDEN = "This address holds a character that cannot be seen. Type it anew."
_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_JOINERS = "\u200c\u200d"
"""Joiners. Domains of some scripts contain them, so IDNA decides where they are valid."""


def normalise(email: str) -> str:
    """Return the canonical spelling of the address. Raises ValidationError."""
    text = unicodedata.normalize("NFKC", _trimmed(email))
    local, _, domain = text.rpartition("@")
    if any(_is_unseen(char) for char in text) or any(char in local for char in _JOINERS):
        raise ValidationError(HIDDEN, code="invalid")
    spelled = f"{_unquoted(local.lower())}@{_ascii(domain)}"
    validate_email(spelled)
    if not spelled.isascii() or len(spelled) > MAX_CHARS:
        raise ValidationError(INVALID, code="invalid")
    return spelled


def canonical(email: str) -> str:
    """Return the canonical spelling, or the trimmed lower-case text if it is no address."""
    try:
        return normalise(email)
    except ValidationError:
        return email.strip().lower()


def _trimmed(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_unseen(text[start], joiners=True):
        start += 1
    while start < end and _is_unseen(text[end - 1], joiners=True):
        end -= 1
    return text[start:end]


def _is_unseen(char: str, *, joiners: bool = False) -> bool:
    return unicodedata.category(char) in _UNSEEN and (joiners or char not in _JOINERS)


def _unquoted(local: str) -> str:
    """Return the local part without quotation marks that it does not need (RFC 5321, 4.1.2)."""
    if len(local) > 2 and local[0] == local[-1] == '"':
        inner = re.sub(r"\\(.)", r"\1", local[1:-1])
        return inner if _DOT_ATOM.fullmatch(inner) else local
    return local


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise ValidationError(INVALID, code="invalid") from None
