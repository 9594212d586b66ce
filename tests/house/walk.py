"""What stands for the parts of an address in a walk."""

from __future__ import annotations

import re
import uuid

from django.db.models import Model

from tests.house.rows import Rows

WORDS = {"team": "acme", "slug": "acme", "key": "abc", "uidb36": "1", "token": "not-a-token", "name": "nothing"}


def values_for(name: str, kind: str, rows: Rows | None, model: type[Model] | None = None) -> list[str]:
    """Every value that could be the right one: the ids of the rows that the name speaks of, else of all rows.

    `model` is what a plain `pk` stands for, where the view says so.
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
