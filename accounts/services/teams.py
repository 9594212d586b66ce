"""Creation and renaming of teams."""

from __future__ import annotations

import secrets

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts import audit, hooks
from accounts.errors import FieldError, InvalidInput
from accounts.models import Membership, Role, Team, User

SLUG_TRIES = 5
"""Number of slugs to try, all but the first with a random suffix."""
NAME_MAX = 120
"""Characters of a team's name."""


@transaction.atomic
def create_team(*, owner: User, name: str, is_personal: bool = False) -> Team:
    """Create a team with its first owner, and call the hook `team_created` in the same transaction."""
    team = _insert_with_free_slug(name=_validated_name(name), email=owner.email, is_personal=is_personal)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    hooks.team_created(team=team, owner=owner)
    audit.record(team=team, actor=owner, action="team.created", target=team)
    return team


def create_personal_team(*, owner: User) -> Team:
    """Create the team that every person starts with."""
    return create_team(owner=owner, name=f"{owner.display_name[:100]}'s team", is_personal=True)


@transaction.atomic
def rename_team(*, team: Team, actor: User, name: str) -> Team:
    """Rename the team. Its slug stays, so that no URL changes."""
    name = _validated_name(name)
    kept = Team.objects.select_for_update(no_key=True).get(pk=team.pk)
    if kept.name != name:
        before, kept.name = kept.name, name
        kept.save(update_fields=["name", "updated_at"])
        audit.record(team=kept, actor=actor, action="team.renamed", target=kept, before=before, after=name)
    return kept


def _validated_name(name: str) -> str:
    name = " ".join(name.split())
    if not any(char.isprintable() and char != " " for char in name):
        raise _name_error("required", "A team needs a name.")
    if len(name) > NAME_MAX:
        raise _name_error("max_length", f"At most {NAME_MAX} characters.")
    return name


def _name_error(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError("name", code, message)])


def default_team(user: User) -> Team | None:
    """Return the team that the person joined first, or None."""
    first = Membership.objects.select_related("team").filter(user=user).order_by("id").first()
    return first.team if first else None


def _insert_with_free_slug(*, name: str, email: str, is_personal: bool) -> Team:
    wanted = slugify(name)[:50].strip("-") or "team"
    for attempt in range(SLUG_TRIES):
        slug = wanted if attempt == 0 else f"{wanted}-{secrets.token_hex(3)}"
        try:
            with transaction.atomic():
                return Team.objects.create(name=name, slug=slug, email=email, is_personal=is_personal)
        except IntegrityError:
            if not Team.objects.filter(slug=slug).exists():
                raise
    raise RuntimeError(f"No free slug for a team after {SLUG_TRIES} tries.")
