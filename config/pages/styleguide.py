"""Sample content of the styleguide: no rows, no runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from config.templatetags.deskhand import HUES, STATUS


class SampleForm(forms.Form):
    name = forms.CharField(help_text="Shown to your team")
    email = forms.EmailField()
    model = forms.ChoiceField(choices=[("demo", "Demo model"), ("claude", "Claude Sonnet")])
    budget = forms.DecimalField(required=False)
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    review = forms.BooleanField(label="Wait for my review", help_text="The result is held until you approve it")
    policy = forms.ChoiceField(choices=[("allow", "Allowed"), ("ask", "Ask first")], widget=forms.RadioSelect)


_PLAN = [
    {"name": "Read the file", "st": "done", "t": "2 s"},
    {
        "name": "Find the causes",
        "st": "now",
        "t": "41 s",
        "kids": [{"name": "Group by cause", "st": "done"}, {"name": "Compare months", "st": "now"}],
    },
    {"name": "Write the report", "st": "todo"},
]


def context() -> dict[str, Any]:
    now = timezone.now()
    form = SampleForm({"name": "Ada", "email": "ada@", "model": "demo", "policy": "ask"})
    icons = ("hammer", "telescope", "chart-column", "headset", "send", "pen-line", "shield-check", "bot")
    return {
        "form": form,
        "tiles": [{"hue": hue, "icon": icon} for hue, icon in zip(HUES, icons, strict=True)],
        "people": [{"hue": "plum", "initials": "ML"}, {"hue": "teal", "initials": "TO"}],
        "statuses": list(STATUS),
        "presences": ["working", "waiting", "idle", "paused"],
        "moments": [now - timedelta(seconds=38), now - timedelta(hours=3), now - timedelta(days=40)],
        "later": [now + timedelta(hours=3), now + timedelta(days=40)],
        "phases": _PLAN,
        "week": [{"label": f"{n} Nov", "values": [20 + n * 3 % 17, n % 4, n % 3]} for n in range(6, 20)],
        "series": [
            {"name": "Done", "cls": "c-ok"},
            {"name": "Needed you", "cls": "c-human"},
            {"name": "Failed", "cls": "c-bad"},
        ],
        "trend": [22, 27, 24, 31, 33, 35, 36, 29, 31, 34, 38],
        "trend_days": ["6 Nov", "12 Nov", "19 Nov"],
        "article": "## What drives refunds\n\nLate deliveries cause **41%** of them.\n\n"
        "| Cause | Share |\n|---|--:|\n| Late | 41% |\n| Broken | 22% |\n\n1. Ship earlier\n2. Pack `better`\n",
    }
