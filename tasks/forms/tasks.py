"""Editor of a task: its prompt, and a row for each `{{variable}}` in it. Works without JavaScript too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict

from accounts import strict_json
from accounts.errors import AppError
from accounts.models import Viewer
from agents.models import Agent
from tasks import variables
from tasks.forms.agent_choice import AgentField, agents_of
from tasks.forms.runs import LimitsForm, show_refusal
from tasks.models import Task
from tasks.services.run_request import MAX_PROMPT

PREFIX = "variables"
MAX_VARIABLES = 30
KINDS = {"text": "Text", "number": "Number", "choice": "Choice", "date": "Date", "file": "File"}


class TaskForm(LimitsForm):
    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"placeholder": "Weekly refund report"}))
    agent = AgentField()
    prompt = forms.CharField(
        max_length=MAX_PROMPT,
        widget=forms.Textarea(attrs={"rows": 9, "data-prompt": True, "spellcheck": "true"}),
        help_text="What changes from run to run goes in double braces: {{month}}, {{supplier_name}}.",
    )
    review = forms.BooleanField(
        label="A person reviews the result",
        required=False,
        help_text="The run counts as done once somebody approved it. Each start can say otherwise.",
    )
    required_artifacts = forms.CharField(
        label="Files it must deliver",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2, "class": "mono", "placeholder": "report.md"}),
        help_text="One path on each line. A run that does not deliver them does not count as done.",
    )
    output_schema = forms.CharField(
        label="Form of the answer",
        required=False,
        max_length=50_000,
        widget=forms.Textarea(
            attrs={"rows": 4, "class": "code", "placeholder": '{"type": "object", "required": ["total"]}'}
        ),
        help_text="A JSON Schema. The answer is then JSON that fits it, or the run does not count as done.",
    )

    def __init__(self, *args: Any, access: Viewer, task: Task | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("AgentField", self.fields["agent"])
        found = agents_of(access)
        field.queryset = (found | Agent.objects.filter(pk=task.agent_id)).distinct() if task else found

    def clean_output_schema(self) -> Any:
        text = self.cleaned_data["output_schema"].strip()
        if not text:
            return None
        try:
            schema = strict_json.loads(text, repair=False)
        except strict_json.NotStorable as error:
            raise forms.ValidationError(f"This cannot be read as JSON. {error}") from error
        if not isinstance(schema, dict):
            raise forms.ValidationError("A JSON Schema is an object in braces.")
        return schema

    def clean_required_artifacts(self) -> list[str]:
        return list(
            dict.fromkeys(line.strip() for line in self.cleaned_data["required_artifacts"].splitlines() if line.strip())
        )

    def changes(self, declared: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the fields of the task for the service."""
        data = self.cleaned_data
        limits = {"max_cost_usd": None, "max_turns": None, "timeout_s": None} | self.limits()
        names = ("name", "agent", "review", "output_schema", "required_artifacts")
        return (
            {name: data[name] for name in names}
            | limits
            | {
                "prompt": data["prompt"].replace("\r\n", "\n"),
                "variables": list(declared),
            }
        )


def initial_of(task: Task) -> dict[str, Any]:
    schema = json.dumps(task.output_schema, indent=2, ensure_ascii=False) if task.output_schema else ""
    return {
        "name": task.name,
        "agent": task.agent_id,
        "prompt": task.prompt,
        "review": task.review,
        "required_artifacts": "\n".join(task.required_artifacts),
        "output_schema": schema,
        "max_cost_usd": task.max_cost_usd,
        "max_turns": task.max_turns,
        "timeout_min": task.timeout_s // 60 if task.timeout_s else None,
    }


class VariableForm(forms.Form):
    """Declaration of one `{{variable}}`. Errors about its name come from the service, which knows the prompt."""

    name = forms.CharField(max_length=40, widget=forms.TextInput(attrs={"class": "mono"}))
    type = forms.ChoiceField(choices=list(KINDS.items()), initial="text")
    label = forms.CharField(max_length=80, required=False)
    choices = forms.CharField(
        max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One on each line."
    )
    default = forms.CharField(max_length=2000, required=False)
    required = forms.BooleanField(label="Needed", required=False, initial=True)
    help = forms.CharField(label="Help", max_length=200, required=False)

    def declaration(self) -> dict[str, Any]:
        data = self.cleaned_data
        made = {"name": data["name"].strip(), "type": data["type"] or "text", "required": data["required"]}
        made |= {name: data[name].strip() for name in ("label", "default", "help") if data[name].strip()}
        choices = [line.strip() for line in data["choices"].splitlines() if line.strip()]
        return made | {"choices": choices} if made["type"] == "choice" else made


VariableFormSet = formset_factory(
    VariableForm, extra=0, can_delete=True, max_num=MAX_VARIABLES, validate_max=True, absolute_max=MAX_VARIABLES + 20
)


def variable_rows(task: Task | None) -> BaseFormSet[VariableForm]:
    rows = [
        dict(v) | {"choices": "\n".join(map(str, v.get("choices") or ()))} for v in (task.variables if task else [])
    ]
    return VariableFormSet(prefix=PREFIX, initial=rows)


def posted_rows(data: QueryDict) -> BaseFormSet[VariableForm]:
    """Return the submitted rows, and a new one for each variable of the prompt without one."""
    data = data.copy()
    count = int(data.get(f"{PREFIX}-TOTAL_FORMS", "0") or 0) if data.get(f"{PREFIX}-TOTAL_FORMS", "").isdecimal() else 0
    known = {data.get(f"{PREFIX}-{n}-name", "").strip() for n in range(count) if not data.get(f"{PREFIX}-{n}-DELETE")}
    if "detect" in data:
        for name in variables.places(data.get("prompt", "")):
            if name not in known and count < MAX_VARIABLES:
                data[f"{PREFIX}-{count}-name"], data[f"{PREFIX}-{count}-required"] = name, "on"
                count += 1
    data[f"{PREFIX}-TOTAL_FORMS"] = str(count)
    data.setdefault(f"{PREFIX}-INITIAL_FORMS", "0")
    return VariableFormSet(data, prefix=PREFIX)


def kept_rows(rows: BaseFormSet[VariableForm]) -> list[VariableForm]:
    """Return the rows that name a variable and were not removed."""
    return [row for row in rows if not row.cleaned_data.get("DELETE") and row.cleaned_data.get("name")]


def show_task_refusal(form: TaskForm, rows: Sequence[VariableForm], error: AppError) -> None:
    """Add a refusal to the form. `variables[2].choices` goes to the third kept row, the rest to the task's fields."""
    own = []
    for wrong in error.fields:
        place, _, name = wrong.field.removeprefix("variables[").partition("].")
        if wrong.field.startswith("variables[") and place.isdecimal() and int(place) < len(rows):
            rows[int(place)].add_error(name if name in rows[int(place)].fields else None, wrong.message)
        else:
            own.append(wrong)
    if own or not error.fields:
        show_refusal(form, type(error)(error.detail, fields=own), {"timeout_s": "timeout_min"})
