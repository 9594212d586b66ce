"""Forms of people, teams and keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.utils import timezone

from accounts.errors import AppError
from accounts.models import Role, User
from accounts.models.roles import SCOPES, may_manage


def add_refusal(form: forms.Form, error: AppError) -> None:
    """Add a service's refusal to the form. It goes to its fields where the form has them, else above the form."""
    for wrong in error.fields:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not error.fields:
        form.add_error(None, error.detail)


class ProfileForm(forms.Form):
    name = forms.CharField(max_length=120, required=False, help_text="What your team sees beside your work.")
    hue = forms.CharField(widget=forms.HiddenInput, required=False)


class TeamForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="What the team is called. Addresses of pages stay as they are.")


class NewTeamForm(forms.Form):
    name = forms.CharField(label="Name", max_length=120, help_text="People see it, and it becomes part of addresses.")


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class InviteForm(forms.Form):
    email = forms.EmailField(label="Email address", max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER)

    def __init__(self, *args: Any, own: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["role"])
        field.choices = [(role.value, role.label) for role in Role if may_manage(own, role)]


class TransferForm(forms.Form):
    user = forms.ChoiceField(label="New owner")

    def __init__(self, *args: Any, others: Sequence[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._others = {str(user.pk): user for user in others}
        field = cast(forms.ChoiceField, self.fields["user"])
        field.choices = [(pk, f"{user.display_name} ({user.email})") for pk, user in self._others.items()]

    def chosen(self) -> User:
        return self._others[self.cleaned_data["user"]]


class TeamDeleteForm(forms.Form):
    confirm = forms.CharField(label="Name of the team", max_length=200)


SCOPE_WORDS = {
    "runs:read": "See runs, events and files",
    "runs:write": "Start, answer and cancel runs",
    "agents:read": "See agents and tasks",
    "agents:write": "Change agents and tasks",
    "tools:read": "See tools",
    "tools:write": "Change tools",
    "billing:read": "See usage and cost",
    "team:admin": "Manage keys and the team",
}
EXPIRIES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="What will use it, such as “Warehouse scripts”.")
    scopes = forms.MultipleChoiceField(
        label="May",
        choices=[(scope, SCOPE_WORDS.get(scope, scope)) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        initial=["runs:read", "runs:write", "agents:read"],
    )
    expires_in = forms.ChoiceField(label="Expires", choices=list(EXPIRIES.items()), required=False, initial="90")

    def __init__(self, *args: Any, allowed: frozenset[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.MultipleChoiceField, self.fields["scopes"])
        field.choices = [(scope, SCOPE_WORDS.get(scope, scope)) for scope in SCOPES if scope in allowed]

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["expires_in"]
        return timezone.now() + timedelta(days=int(days)) if days else None
