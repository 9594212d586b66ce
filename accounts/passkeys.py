"""allauth's passkey forms, with malformed credentials as form errors instead of crashes."""

from __future__ import annotations

import struct
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from fido2.webauthn import AuthenticationResponse, RegistrationResponse


class PasskeyField(forms.JSONField):
    """Result of navigator.credentials, as JSON."""

    widget = forms.HiddenInput

    def __init__(self, kind: type[AuthenticationResponse | RegistrationResponse]) -> None:
        super().__init__(required=True)
        self._kind = kind

    def to_python(self, value: Any) -> Any:
        given = super().to_python(value)
        try:
            self._kind.from_dict(given)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error):
            raise get_adapter().validation_error("incorrect_code") from None
        return given


class AddPasskeyForm(allauth_forms.AddWebAuthnForm):  # type: ignore[misc]
    name = forms.CharField(required=False, max_length=80)
    credential = PasskeyField(RegistrationResponse)
    passwordless = forms.BooleanField(required=False, initial=True)


class AuthenticatePasskeyForm(allauth_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]
    credential = PasskeyField(AuthenticationResponse)


class SignInPasskeyForm(allauth_forms.LoginWebAuthnForm):  # type: ignore[misc]
    credential = PasskeyField(AuthenticationResponse)


class ReauthenticatePasskeyForm(allauth_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]
    credential = PasskeyField(AuthenticationResponse)


class RenamePasskeyForm(allauth_forms.EditWebAuthnForm):  # type: ignore[misc]
    name = forms.CharField(max_length=80)
