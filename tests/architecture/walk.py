"""List of every URL of the product, with values for their parameters."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver

from tests.architecture.rows import Rows

_KINDS = {"UUIDConverter": "uuid", "IntConverter": "int"}
WORDS = {"team": "acme", "slug": "acme", "key": "abc", "uidb36": "1", "token": "not-a-token", "name": "nothing"}


def values_for(name: str, kind: str, rows: Rows | None, model: type[Model] | None = None) -> list[str]:
    """Return every value that could fit.

    These are ids of the rows that the name means, else of all rows. `model` is the meaning of a plain `pk`, where the
    view tells.
    """
    if kind == "int":
        return ["1"]
    if kind != "uuid":
        return [WORDS.get(name, "acme")]
    if rows is None:
        return [str(uuid.uuid4())]
    if name == "pk" and model in rows.of:
        return [str(rows.of[model].pk)]
    noun = re.sub(r"_?(id|pk|uuid)$", "", name)
    named = [row for model, row in rows.of.items() if noun and noun in model.__name__.lower()]
    return [str(row.pk) for row in named or rows.of.values() if isinstance(row.pk, uuid.UUID)]


@dataclass(frozen=True)
class Address:
    route: str
    name: str
    arguments: tuple[tuple[str, str], ...]
    model: Any = None

    @property
    def names_a_row(self) -> bool:
        return bool(self.arguments)


def _walk(patterns: list[Any], before: str = "", converters: dict[str, Any] | None = None) -> Iterator[Address]:
    for entry in patterns:
        route = before + str(entry.pattern).lstrip("^").rstrip("$")
        known = {**(converters or {}), **getattr(entry.pattern, "converters", {})}
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route, known)
        elif isinstance(entry, URLPattern) and not route.startswith("admin/"):
            by_regex = dict.fromkeys(getattr(getattr(entry.pattern, "regex", None), "groupindex", {}), "")
            kinds = tuple((name, _KINDS.get(type(of).__name__, "str")) for name, of in {**by_regex, **known}.items())
            queryset = getattr(getattr(entry.callback, "cls", None), "queryset", None)
            yield Address(route, entry.name or "", kinds, getattr(queryset, "model", None))


ADDRESSES = list(_walk(get_resolver().url_patterns))


def paths(address: Address, rows: Rows | None) -> Iterator[str]:
    """Yield the URL with every combination of values, so that the right one is among them."""
    for values in itertools.product(*(values_for(name, kind, rows, address.model) for name, kind in address.arguments)):
        filled = address.route
        for (name, _), value in zip(address.arguments, values, strict=True):
            filled = re.sub(rf"<(\w+:)?{name}>|\(\?P<{name}>[^)]*\)", value, filled)
        yield "/" + filled.replace("\\", "")


def as_json(method: str, path: str) -> dict[str, str]:
    """Return the arguments of a JSON request. The API checks the media type first and would refuse a form."""
    is_json = path.startswith("/api/") and method in ("post", "put", "patch")
    return {"data": "{}", "content_type": "application/json"} if is_json else {}
