"""Profiles of people."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.errors import FieldError, InvalidInput
from accounts.models import User

HUES = ("blue", "teal", "moss", "amber", "coral", "rose", "plum", "slate")
"""Identity colours of the design; people and agents have one each."""


@transaction.atomic
def update_profile(*, user: User, name: str | None = None, hue: str | None = None) -> User:
    if hue is not None and hue not in HUES:
        wrong = FieldError("hue", "invalid_choice", f"Choose one of {', '.join(HUES)}.")
        raise InvalidInput("That colour does not exist.", fields=[wrong])
    before = {"name": user.name, "hue": user.hue}
    if name is not None:
        user.name = name.strip()[:120]
    if hue is not None:
        user.hue = hue
    user.save(update_fields=["name", "hue"])
    values = audit.diff(before, {"name": user.name, "hue": user.hue})
    audit.record_person(person=user, actor=user, action="person.changed", **values)
    return user
