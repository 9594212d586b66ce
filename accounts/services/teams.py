"""Teams and the people in them."""

from __future__ import annotations

import secrets

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts import audit
from accounts.models import Membership, Role, Team, User
from accounts.signals import team_created

SLUG_TRIES = 5


@transaction.atomic
def create_team(*, owner: User, name: str, is_personal: bool = False) -> Team:
    """Make a team with its first owner. Whoever must know hears `team_created` inside the same transaction."""
    team = _insert_with_free_slug(name=name[:120], email=owner.email, is_personal=is_personal)
    Membership.objects.create(team=team, user=owner, role=Role.OWNER)
    team_created.send(sender=Team, team=team, owner=owner)
    audit.record(team=team, actor=owner, action="team.created", target=team)
    return team


def create_personal_team(*, owner: User) -> Team:
    """The team that every person has from the start."""
    return create_team(owner=owner, name=f"{owner.display_name}'s team", is_personal=True)


def default_team(user: User) -> Team | None:
    """Where a person lands: the team that they joined first."""
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
