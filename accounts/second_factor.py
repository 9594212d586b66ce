"""Deskhand's word in the second factors: an authenticator app, passkeys, recovery codes."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator

from accounts import crypto
from accounts.models import User

PRODUCT = "Deskhand"


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = DefaultMFAAdapter.error_messages | {
        "add_email_blocked": "Switch two-step sign-in off before you add an address, and on again afterwards.",
        "incorrect_code": "That did not match. Take the newest code, or try the passkey again.",
        "unverified_email": "Confirm your email address first, so that nobody can lock you out of your account.",
        "cannot_generate_recovery_codes": "Recovery codes come with an authenticator app or a passkey.",
    }

    def get_totp_issuer(self) -> str:
        return PRODUCT

    def encrypt(self, text: str) -> str:
        return crypto.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        return crypto.decrypt(encrypted_text)

    def generate_authenticator_name(self, user: User, type: str) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return "Passkey" if count == 0 else f"Passkey {count + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, Any] = super().get_public_key_credential_rp_entity()
        return entity | {"name": PRODUCT}
