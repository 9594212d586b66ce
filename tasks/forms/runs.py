"""Forms that start runs. One is for an agent with a prompt, one for a task with its variables."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from django import forms

from accounts.errors import AppError
from accounts.models import Viewer
from tasks.forms.agent_choice import AgentField, agents_of
from tasks.forms.files import FilesField, check_size, upload_attrs
from tasks.forms.starts import StartForm
from tasks.models import Task
from tasks.services.run_request import MAX_PROMPT


def show_refusal(form: forms.Form, error: AppError, names: Mapping[str, str] | None = None) -> None:
    """Add a service's refusal to the fields that caused it. `names` maps the service's names to the form's."""
    for wrong in error.fields:
        name = (names or {}).get(wrong.field, wrong.field)
        form.add_error(name if name in form.fields else None, wrong.message)
    if not error.fields:
        form.add_error(None, error.detail)


class LimitsForm(forms.Form):
    """Limits of a run; an empty field takes the agent's."""

    max_cost_usd = forms.DecimalField(
        label="Maximum cost", required=False, min_value=Decimal("0.01"), max_value=10_000, decimal_places=2
    )
    timeout_min = forms.IntegerField(label="Most working time", required=False, min_value=1, max_value=24 * 60)
    max_turns = forms.IntegerField(label="Most model calls", required=False, min_value=1, max_value=1000)

    def limits(self) -> dict[str, Any]:
        data = self.cleaned_data
        minutes = data.get("timeout_min")
        given = {
            "max_cost_usd": data.get("max_cost_usd"),
            "max_turns": data.get("max_turns"),
            "timeout_s": minutes * 60 if minutes else None,
        }
        return {name: value for name, value in given.items() if value is not None}


class RunForm(StartForm, LimitsForm):
    """New run of an agent."""

    agent = AgentField()
    prompt = forms.CharField(
        label="What should it do?",
        max_length=MAX_PROMPT,
        widget=forms.Textarea(
            attrs={"rows": 7, "placeholder": "What drives refunds? Write one page and draw a chart."}
        ),
    )
    attachments = FilesField(label="Files")
    review = forms.BooleanField(
        label="Wait for my review",
        required=False,
        help_text="The run is done only after someone approves the result.",
    )

    def __init__(self, *args: Any, access: Viewer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("AgentField", self.fields["agent"]).queryset = agents_of(access)


def _field_of(variable: Mapping[str, Any]) -> forms.Field:
    """Return the form field of one variable, by its type."""
    common: dict[str, Any] = {
        "label": variable.get("label") or variable["name"].replace("_", " ").capitalize(),
        "help_text": variable.get("help") or "",
        "required": bool(variable.get("required", True)),
        "initial": variable.get("default") or None,
    }
    kind = variable["type"]
    if kind == "number":
        return forms.DecimalField(**common, widget=forms.NumberInput(attrs={"step": "any"}))
    if kind == "choice":
        choices = [(str(choice), str(choice)) for choice in variable.get("choices") or ()]
        return forms.ChoiceField(**common, choices=choices if common["required"] else [("", "none"), *choices])
    if kind == "date":
        return forms.DateField(**common, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
    if kind == "file":
        del common["initial"]
        return forms.FileField(
            **common, allow_empty_file=True, validators=[check_size], widget=forms.FileInput(attrs=upload_attrs())
        )
    return forms.CharField(**common, widget=forms.Textarea(attrs={"rows": 1, "class": "grows"}))


class TaskRunForm(StartForm):
    """New run of a task: its variables, attachments, review and start."""

    attachments = FilesField(label="More files")
    review = forms.BooleanField(label="Wait for my review", required=False)

    def __init__(self, *args: Any, task: Task, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.task = task
        self.names = {f"variables.{v['name']}": f"value-{v['name']}" for v in task.variables}
        for variable in task.variables:
            self.fields[f"value-{variable['name']}"] = _field_of(variable)
        self.fields["review"].initial = task.review

    def value_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.names.values()]

    def uploads(self) -> dict[str, Any]:
        """Return the uploaded files of file variables, by name."""
        given = {
            v["name"]: self.cleaned_data.get(f"value-{v['name']}") for v in self.task.variables if v["type"] == "file"
        }
        return {name: upload for name, upload in given.items() if upload}

    def values(self) -> dict[str, Any]:
        """Return the values of the other variables, as texts."""
        found = {}
        for variable in self.task.variables:
            value = self.cleaned_data.get(f"value-{variable['name']}")
            if variable["type"] != "file" and value not in (None, ""):
                found[variable["name"]] = value.replace("\r\n", "\n") if isinstance(value, str) else str(value)
        return found
