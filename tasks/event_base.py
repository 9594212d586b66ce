"""Base class of all event types, and the table of them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

E = TypeVar("E", bound="Event")
EVENT_TYPES: dict[str, type[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base class of all event types."""

    type: ClassVar[str] = ""

    def data(self) -> dict[str, Any]:
        """Return the JSON that is stored. The fields hold JSON already, so nothing is copied."""
        return {name: getattr(self, name) for name in cast("tuple[str, ...]", self.__slots__)}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def event(name: str) -> Callable[[type[E]], type[E]]:
    def register(cls: type[E]) -> type[E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.type, EVENT_TYPES[name] = name, made
        return made

    return register


def parse(type_: str, data: Mapping[str, Any]) -> Event:
    """Return the event of a stored row. Fields that this version does not know are ignored."""
    known = {f.name for f in fields(EVENT_TYPES[type_])}
    return EVENT_TYPES[type_](**{key: value for key, value in data.items() if key in known})
