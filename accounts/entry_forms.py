"""Forms of signing in and up, and the admin's for a new person. Every spelling of an address is the same one."""

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
    """An address as an account has it: some are older than the one spelling."""

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
        """The mail goes to the address as the account has it, never to what was typed."""
        email: str = self.cleaned_data["email"]
        self.users = filter_users_by_email(email, is_active=True, prefer_verified=True, for_login=True)
        return email


class PersonForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """A new person in the admin."""

    email = NewAddressField()

    class Meta:
        model = User
        fields = ("email",)
        field_classes: dict[str, Any] = {}
