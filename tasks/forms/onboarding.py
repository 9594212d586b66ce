"""Forms of the onboarding."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from agents import roles
from tasks.services.run_request import MAX_PROMPT


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=[(role.key, role.name) for role in roles.ROLES], widget=forms.RadioSelect)
    name = forms.CharField(max_length=80, required=False, help_text="Leave blank to use the suggested name.")


def check_size(upload: UploadedFile[Any]) -> None:
    size = upload.size or 0
    if size > settings.UPLOAD_MAX_BYTES:
        limit = settings.UPLOAD_MAX_BYTES // 1024 // 1024
        raise ValidationError(f"{upload.name} is larger than {limit} MB, the most that one file may have here.")


class FirstRunForm(forms.Form):
    prompt = forms.CharField(
        label="What should it do?", max_length=MAX_PROMPT, widget=forms.Textarea(attrs={"rows": 5})
    )
    use_example = forms.BooleanField(label="Use the example file", required=False)
    file = forms.FileField(
        label="Or a file of your own",
        required=False,
        allow_empty_file=True,
        validators=[check_size],
        widget=forms.FileInput(attrs={"data-max-bytes": settings.UPLOAD_MAX_BYTES}),
    )
