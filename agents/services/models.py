"""Runtimes and models that an agent can use on this installation, and the end of models."""

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
"""Purpose of the newest model of each family."""


class ModelEnded(Conflict):
    """The provider no longer answers calls to the agent's model."""

    code = "model_ended"
    title = "The model has ended"


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model with a price."""

    name: str
    since: date
    """Date of its first price."""
    ends_on: date | None = None
    """Last day on which the provider answers calls to it."""

    @property
    def family(self) -> str:
        return next((family for family in USES if family in self.name), "")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the version as numbers, so that 5-10 sorts after 5-5."""
        return tuple(int(part) for part in re.findall(r"\d+", base_name(self.name)))

    def is_over(self, on: date) -> bool:
        return self.ends_on is not None and self.ends_on < on


@dataclass(frozen=True, slots=True)
class ModelEnd:
    """End date of a model, and the model that replaces it."""

    on: date
    is_over: bool
    replacement: str


class Catalogue:
    """Models of the price list, read once; newest first, by date and then by version number."""

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
        """Return the model of new agents.

        It is `DESKHAND_DEFAULT_MODEL` if that is offered, else the newest balanced model, else the newest of all.
        """
        if settings.DEFAULT_MODEL in self.names():
            return str(settings.DEFAULT_MODEL)
        return self.newest(BALANCED) or next(iter(self.names()), "")

    def use_of(self, name: str) -> str:
        """Return the purpose of the model if it is the newest of its family, else an empty string."""
        return next((words for family, words in USES.items() if self.newest(family) == name), "")

    def end_of(self, runtime: str, name: str) -> ModelEnd | None:
        """Return the end of the model; None if no end is known."""
        model = self._known.get(name) or self._known.get(base_name(name)) if runtime == Runtime.ANTHROPIC else None
        if model is None or model.ends_on is None:
            return None
        others = [other.name for other in self.offered if other.ends_on is None and other.family == model.family]
        return ModelEnd(model.ends_on, model.is_over(self.today), next(iter(others), self.default()))


def has_real_models() -> bool:
    """Return True if this installation can call a real model."""
    return bool(settings.ANTHROPIC_API_KEY)


def default_runtime() -> str:
    """Return the runtime of new agents: a real model wherever there is a key for one."""
    return Runtime.ANTHROPIC if has_real_models() else Runtime.DEMO


def models_of(runtime: str) -> list[str]:
    """Return the names of the runtime's models, newest first.

    They have a price, so that no call costs an unknown amount, and have not ended.
    """
    return [DEMO_MODEL] if runtime == Runtime.DEMO else Catalogue().names()


def default_model(runtime: str) -> str:
    return DEMO_MODEL if runtime == Runtime.DEMO else Catalogue().default()


def require_present(agent: Agent, version: AgentVersion, model: str = "") -> None:
    """Raise ModelEnded if the version's model (or `model` in its place) has ended: every call would fail."""
    name = model or version.model
    end = Catalogue().end_of(version.runtime, name) if version.runtime == Runtime.ANTHROPIC else None
    if end is not None and end.is_over:
        instead = f" such as {end.replacement}" if end.replacement else ""
        detail = f"The model {name} ended on {end.on:%Y-%m-%d}. Choose another one{instead} for {agent.name}."
        raise ModelEnded(detail, extra={"model": name, "replacement": end.replacement})


def _models(rows: Iterable[tuple[str, date, date | None]]) -> Iterable[OfferedModel]:
    """Return one model per name. Rows come oldest first; the newest price sets the end date."""
    found: dict[str, OfferedModel] = {}
    for name, since, ends_on in rows:
        first = found[name].since if name in found else since
        found[name] = OfferedModel(name, first, ends_on)
    return found.values()
