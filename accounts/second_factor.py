"""MFA adapter and forms: what Deskhand changes in allauth's second factors."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.base import forms as allauth_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm

from accounts import crypto
from accounts.models import User
from accounts.services import one_time_codes

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


class _CodeOnce:
    """Mixin for allauth's code forms that allows each code once."""

    authenticator: Authenticator

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        if not one_time_codes.use_up(self.authenticator, code):
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(_CodeOnce, allauth_forms.AuthenticateForm):  # type: ignore[misc]
    pass


class ReauthenticateForm(_CodeOnce, allauth_forms.ReauthenticateForm):  # type: ignore[misc]
    pass


class ActivateForm(ActivateTOTPForm):  # type: ignore[misc]
    """Form that sets up the authenticator app.

    It spends the first code: accounts/receivers.py stores its step with the secret.
    """

    def clean_code(self) -> str:
        code: str = super().clean_code()
        context.request.totp_step = one_time_codes.step_of(self.secret, code)
        return code
