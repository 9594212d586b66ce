"""Which runtimes and models an agent can be given on this installation, and what follows a model that ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.conf import settings

from accounts.errors import Conflict
from agents.models import Agent, AgentVersion, Runtime
from billing.models import Price
from billing.pricing import base_name

DEMO_MODEL = "demo-1"
BALANCED, STRONGER, SMALL = "sonnet", "opus", "haiku"
USES = {BALANCED: "balanced", STRONGER: "stronger", SMALL: "fast and low-cost"}
"""What the newest model of a family is for."""


class ModelEnded(Conflict):
    """The provider no longer answers calls to the agent's model."""

    code = "model_ended"
    title = "The model has ended"


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model with a price."""

    name: str
    since: date
    """The day of its first price."""
    ends_on: date | None = None
    """The last day on which the provider answers calls to it."""

    @property
    def family(self) -> str:
        return next((family for family in USES if family in self.name), "")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version as numbers, so that 5-10 is newer than 5-5."""
        return tuple(int(part) for part in re.findall(r"\d+", base_name(self.name)))

    def is_over(self, on: date) -> bool:
        return self.ends_on is not None and self.ends_on < on


@dataclass(frozen=True, slots=True)
class ModelEnd:
    """When a model ends, and which one takes its place."""

    on: date
    is_over: bool
    replacement: str


class Catalogue:
    """The models of the price list, read once: newest first, by date and then by version number."""

    def __init__(self, today: date | None = None) -> None:
        self.today = today or datetime.now(UTC).date()
        begun = Price.objects.filter(effective_from__lte=self.today).order_by("model", "effective_from")
        rows = begun.values_list("model", "effective_from", "ends_on")
        self._known = {model.name: model for model in _models(rows)}
        present = [model for model in self._known.values() if not model.is_over(self.today)]
        self.offered = sorted(present, key=lambda model: (model.since, model.numbers, model.name), reverse=True)

    def names(self) -> list[str]:
        return [model.name for model in self.offered]

    def newest(self, family: str) -> str | None:
        return next((model.name for model in self.offered if model.family == family), None)

    def default(self) -> str:
        """`DESKHAND_DEFAULT_MODEL` if it is offered, else the newest balanced model, else the newest of all."""
        if settings.DEFAULT_MODEL in self.names():
            return str(settings.DEFAULT_MODEL)
        return self.newest(BALANCED) or next(iter(self.names()), "")

    def use_of(self, name: str) -> str:
        """What the model is for, if it is the newest of its family."""
        return next((words for family, words in USES.items() if self.newest(family) == name), "")

    def end_of(self, runtime: str, name: str) -> ModelEnd | None:
        """None for a model without a known end."""
        model = self._known.get(name) or self._known.get(base_name(name)) if runtime == Runtime.ANTHROPIC else None
        if model is None or model.ends_on is None:
            return None
        others = [other.name for other in self.offered if other.ends_on is None and other.family == model.family]
        return ModelEnd(model.ends_on, model.is_over(self.today), next(iter(others), self.default()))


def has_real_models() -> bool:
    """Whether this installation can call a real model."""
    return bool(settings.ANTHROPIC_API_KEY)


def default_runtime() -> str:
    """What a new agent starts with: a real model wherever there is one."""
    return Runtime.ANTHROPIC if has_real_models() else Runtime.DEMO


def models_of(runtime: str) -> list[str]:
    """The models that the runtime offers, newest first: those with a price, so that no call can cost an unknown
    amount, and without those that have ended.
    """
    return [DEMO_MODEL] if runtime == Runtime.DEMO else Catalogue().names()


def default_model(runtime: str) -> str:
    return DEMO_MODEL if runtime == Runtime.DEMO else Catalogue().default()


def require_present(agent: Agent, version: AgentVersion, model: str = "") -> None:
    """Raise ModelEnded when the model of the version (or `model` in its place) has ended: every call would fail."""
    name = model or version.model
    end = Catalogue().end_of(version.runtime, name) if version.runtime == Runtime.ANTHROPIC else None
    if end is not None and end.is_over:
        instead = f" such as {end.replacement}" if end.replacement else ""
        detail = f"The model {name} ended on {end.on:%Y-%m-%d}. Choose another one{instead} for {agent.name}."
        raise ModelEnded(detail, extra={"model": name, "replacement": end.replacement})


def _models(rows: Iterable[tuple[str, date, date | None]]) -> Iterable[OfferedModel]:
    """One for each name out of its prices, oldest first. The newest price says when the model ends."""
    found: dict[str, OfferedModel] = {}
    for name, since, ends_on in rows:
        first = found[name].since if name in found else since
        found[name] = OfferedModel(name, first, ends_on)
    return found.values()
