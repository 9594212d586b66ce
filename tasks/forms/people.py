"""Form that limits an agent to some members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django import forms

from accounts.models import User

WHO = (("everyone", "Everyone in the team"), ("some", "Only these people, owners and admins"))


class AgentPeopleForm(forms.Form):
    who = forms.ChoiceField(label="Who works with it", choices=WHO, widget=forms.RadioSelect)
    people = forms.MultipleChoiceField(label="People", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, people: Sequence[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.MultipleChoiceField, self.fields["people"])
        field.choices = [(str(user.pk), f"{user.display_name} ({user.email})") for user in people]

    def limited_to(self) -> list[UUID] | None:
        if self.cleaned_data["who"] == "everyone":
            return None
        return [UUID(pk) for pk in self.cleaned_data["people"]]
