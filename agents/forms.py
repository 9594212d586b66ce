"""Form of an agent: profile, instructions, tools, limits and budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.core.validators import MaxValueValidator
from django.forms import BoundField

from agents.models import Agent, AgentVersion, Runtime
from agents.services import consent
from agents.services import models as offered
from tools.catalog import Catalog
from tools.spec import Policy, ToolSpec

POLICIES = [(Policy.ALLOW.value, "Allowed"), (Policy.ASK.value, "Ask first"), (Policy.DENY.value, "Off")]
HUES = [(hue, hue) for hue in ("blue", "teal", "moss", "amber", "coral", "rose", "plum", "slate")]
ICONS = [
    (name, name)
    for name in (
        *("bot", "chart-column", "telescope", "headset", "send", "pen-line", "hammer", "receipt-text"),
        *("scale", "newspaper", "shield-check", "calendar-check", "table-2", "megaphone", "briefcase", "lightbulb"),
    )
]
MINUTE_S = 60


class PolicyChoice(forms.RadioSelect):
    """Radio buttons of a tool's policies. Policies looser than `loosest` are disabled."""

    loosest: str = Policy.ALLOW.value

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if consent.is_looser(str(value), self.loosest):
            option["attrs"]["disabled"] = True
        return option


class AgentForm(forms.Form):
    name = forms.CharField(max_length=80)
    role = forms.CharField(max_length=80, required=False)
    description = forms.CharField(
        label="What it is for", max_length=300, required=False, help_text="One sentence, shown in lists."
    )
    hue = forms.ChoiceField(label="Colour", choices=HUES, widget=forms.RadioSelect, initial="blue")
    icon = forms.ChoiceField(choices=ICONS, widget=forms.RadioSelect, initial="bot")
    instructions = forms.CharField(
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Read at the start of every run. Each save makes a new version; runs keep the one they started with.",
    )
    model = forms.ChoiceField()
    memory_enabled = forms.BooleanField(
        label="Remember facts between runs", required=False, initial=True, help_text="You see them and can delete them."
    )
    max_cost_usd = forms.DecimalField(
        label="Most a run may cost", min_value=Decimal(0), max_digits=10, decimal_places=2, initial=Decimal("1.00")
    )
    max_turns = forms.IntegerField(label="Max model calls", min_value=1, max_value=500, initial=40)
    timeout_min = forms.IntegerField(
        label="Time limit",
        min_value=1,
        max_value=24 * 60,
        initial=30,
        help_text="Waiting for people is free.",
    )
    max_concurrent_runs = forms.IntegerField(label="Runs at the same time", min_value=1, max_value=1000, initial=10)

    budget_monthly_usd = forms.DecimalField(
        label="Monthly budget",
        required=False,
        min_value=Decimal(0),
        max_digits=10,
        decimal_places=2,
        help_text="Empty for no limit of its own. You hear of it at 80%, at 100% runs wait.",
    )

    def __init__(
        self,
        *args: Any,
        tools: Catalog,
        present: AgentVersion | None = None,
        may_set_budget: bool = True,
        cap_usd: Decimal | None = None,
        loosest: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the fields. `tools` are those that an agent of the team can be given.

        `cap_usd` and `loosest` (a policy per tool) bound what a member without `team:admin` may choose.
        """
        super().__init__(*args, **kwargs)
        self._tools = list(tools)
        if cap_usd is not None:
            self._limit_cost(cap_usd)
        if not may_set_budget:
            budget = self.fields["budget_monthly_usd"]
            budget.disabled, budget.help_text = True, "An owner or admin of the team can change it."
        field = cast(forms.ChoiceField, self.fields["model"])
        field.choices = model_choices(present)
        field.initial = default_model()
        for tool in self._tools:
            self.fields[f"tool_{tool.name}"] = forms.ChoiceField(
                label=tool.title, choices=POLICIES, widget=PolicyChoice, initial=tool.default_policy.value
            )
            if loosest is not None:
                self._limit_policy(f"tool_{tool.name}", loosest.get(tool.name, Policy.DENY.value))

    def _limit_cost(self, cap_usd: Decimal) -> None:
        more = f"More than ${cap_usd:,.2f} takes an owner or admin of the team."
        field = self.fields["max_cost_usd"]
        field.help_text = more
        field.validators = [*field.validators, MaxValueValidator(cap_usd, message=more)]

    def _limit_policy(self, name: str, loosest: str) -> None:
        field = self.fields[name]
        cast(PolicyChoice, field.widget).loosest = loosest
        words = dict(POLICIES)

        def validate(policy: str) -> None:
            if consent.is_looser(policy, loosest):
                message = f"“{words[policy]}” takes an owner or admin of the team; you may choose “{words[loosest]}”."
                raise forms.ValidationError(message, code=consent.NEEDS_ADMIN)

        field.validators = [*field.validators, validate]

    @property
    def is_limited(self) -> bool:
        """Return True if some policies are left to owners and admins."""
        return any(
            consent.is_looser(policy, cast(PolicyChoice, self.fields[f"tool_{tool.name}"].widget).loosest)
            for tool in self._tools
            for policy, _ in POLICIES
        )

    def tools(self) -> Iterator[tuple[ToolSpec, BoundField]]:
        """Yield each tool with its policy field."""
        for tool in self._tools:
            yield tool, self[f"tool_{tool.name}"]

    def configuration(self) -> dict[str, Any]:
        """Return the cleaned values under the names that `create_agent` and `update_agent` take."""
        data = self.cleaned_data
        policies = [{"tool": t.name, "policy": data[f"tool_{t.name}"]} for t in self._tools]
        runtime, _, model = data["model"].partition(":")
        plain = ("name", "role", "description", "hue", "icon", "instructions", "memory_enabled", "max_cost_usd")
        limits = ("max_turns", "max_concurrent_runs", "budget_monthly_usd")
        return {name: data[name] for name in (*plain, *limits) if not self.fields[name].disabled} | {
            "runtime": runtime,
            "model": model,
            "tools": [row for row in policies if row["policy"] != Policy.DENY.value],
            "timeout_s": data["timeout_min"] * MINUTE_S,
        }

    @staticmethod
    def initial_of(
        agent: Agent, version: AgentVersion, budget_usd: Decimal | None, *, tools: Catalog
    ) -> dict[str, Any]:
        """Return the form's initial values for an existing agent."""
        policies = {row["tool"]: row["policy"] for row in version.tools}
        initial = {f"tool_{name}": policies.get(name, Policy.DENY.value) for name in tools.names}
        of_agent = ("name", "role", "description", "hue", "icon", "max_concurrent_runs")
        of_version = ("instructions", "memory_enabled", "max_cost_usd", "max_turns")
        return (
            initial
            | {name: getattr(agent, name) for name in of_agent}
            | {name: getattr(version, name) for name in of_version}
            | {"model": f"{version.runtime}:{version.model}", "timeout_min": max(version.timeout_s // MINUTE_S, 1)}
            | {"budget_monthly_usd": budget_usd and round(budget_usd, 2)}
        )


def model_choices(present: AgentVersion | None) -> list[tuple[str, str]]:
    """Return the (`runtime:model`, label) choices: offered models, and the agent's own model even if it is not."""
    catalogue = offered.Catalogue()
    choices = []
    for model in catalogue.offered if offered.has_real_models() else []:
        use = catalogue.use_of(model.name)
        end = f", until {model.ends_on:%-d %B %Y}" if model.ends_on else ""
        choices.append((f"{Runtime.ANTHROPIC}:{model.name}", f"{words(model.name)}{f', {use}' if use else ''}{end}"))
    demo = offered.models_of(Runtime.DEMO)
    choices += [(f"{Runtime.DEMO}:{model}", "Demo model, offline and free") for model in demo]
    own = f"{present.runtime}:{present.model}" if present else ""
    if present and own not in dict(choices):
        choices.append((own, f"{words(present.model)}, not offered any more"))
    return choices


def default_model() -> str:
    runtime = offered.default_runtime()
    return f"{runtime}:{offered.default_model(runtime)}"


def words(model: str) -> str:
    """Return the display name of a model: claude-opus-4-8 → Claude Opus 4.8."""
    parts = [part for part in model.split("-") if not (part.isdigit() and len(part) == 8)]
    numbers = ".".join(part for part in parts if part.isdigit())
    return " ".join([*(part.title() for part in parts if not part.isdigit()), numbers]).strip()
