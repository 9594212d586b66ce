"""Form of a fork: its changes from the chosen step on."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from agents.services.models import models_of
from tasks.models import Run
from tasks.services.comparisons import model_of
from tasks.services.forks import ForkPoint
from tasks.services.run_request import MAX_PROMPT


class ForkForm(forms.Form):
    """Form with the fields that can change at the chosen point."""

    prompt = forms.CharField(
        max_length=MAX_PROMPT, required=False, widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "true"})
    )
    tool_result = forms.CharField(
        label="Result of the tool",
        max_length=MAX_PROMPT,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "class": "code"}),
        help_text="What the agent reads as the result of that call. Left as it is, it stays what it was.",
    )
    model = forms.ChoiceField(required=False, help_text="Answers from there on.")
    reuse_tools = forms.BooleanField(
        label="Use recorded tool results",
        required=False,
        initial=True,
        help_text="Until the first call that differs, the old results stand in and nothing is called.",
    )

    def __init__(self, *args: Any, run: Run, point: ForkPoint, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.run, self.point = run, point
        prompt = self.fields["prompt"]
        if point.seq == 0:
            prompt.label, prompt.initial = "Prompt", run.prompt
            prompt.help_text = "The agent starts over with it."
        else:
            prompt.label = "Say something to the agent"
            prompt.help_text = "It reads this next, before it goes on. Empty: it just goes on."
        offered = [(name, name) for name in models_of(run.version.runtime) if name != model_of(run)]
        cast(forms.ChoiceField, self.fields["model"]).choices = [("", f"As before ({model_of(run)})"), *offered]
        if not offered:
            del self.fields["model"]
        if point.has_open_calls:
            del self.fields["prompt"]
        if point.tool_result is None:
            del self.fields["tool_result"]
        else:
            self.fields["tool_result"].initial = point.tool_result

    def changes(self) -> dict[str, Any]:
        """Return the arguments for the service. An unchanged text is left out."""
        data = self.cleaned_data
        prompt = data.get("prompt", "").replace("\r\n", "\n")
        result = data.get("tool_result", "").replace("\r\n", "\n")
        was = self.run.prompt.replace("\r\n", "\n") if self.point.seq == 0 else ""
        is_new_result = self.point.tool_result is not None and result != self.point.tool_result.replace("\r\n", "\n")
        return {
            "from_seq": self.point.seq,
            "prompt": prompt if prompt != was.strip() else "",
            "model": data.get("model", ""),
            "tool_result": result if is_new_result else None,
            "reuse_tools": data["reuse_tools"],
        }
