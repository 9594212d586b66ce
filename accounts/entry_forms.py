"""Forms of sign-in and sign-up, and the admin's form for a new person. All accept any spelling of an address."""

from __future__ import annotations

from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.fields import EmailField
from allauth.account.internal.userkit import filter_users_by_email
from django import forms
from django.contrib.auth.forms import AdminUserCreationForm

from accounts import emails
from accounts.models import User


class NewAddressField(EmailField):  # type: ignore[misc]
    """Email field that returns the canonical spelling of the address."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return emails.normalise(text) if text else text


class KnownAddressField(EmailField):  # type: ignore[misc]
    """Email field that returns the address as its account stores it.

    Some accounts are older than the canonical spelling.
    """

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value)
        return User.objects.stored_email(text) if text else text


def _replace(form: forms.Form, name: str, field: type[EmailField]) -> None:
    old = form.fields[name]
    form.fields[name] = field(label=old.label, widget=old.widget, required=old.required, help_text=old.help_text)


class SignInForm(allauth_forms.LoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _replace(self, "login", KnownAddressField)


class SignUpForm(allauth_forms.SignupForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _replace(self, "email", NewAddressField)


class AddAddressForm(allauth_forms.AddEmailForm):  # type: ignore[misc]
    email = NewAddressField(required=True)


class ResetPasswordForm(allauth_forms.ResetPasswordForm):  # type: ignore[misc]
    email = KnownAddressField(required=True)

    def clean_email(self) -> str:
        """Find the accounts of the address. The mail goes to the stored address, never to what was typed."""
        email: str = self.cleaned_data["email"]
        self.users = filter_users_by_email(email, is_active=True, prefer_verified=True, for_login=True)
        return email


class PersonForm(AdminUserCreationForm):  # type: ignore[type-arg]
    email = NewAddressField()

    class Meta:
        model = User
        fields = ("email",)
        field_classes: dict[str, Any] = {}
