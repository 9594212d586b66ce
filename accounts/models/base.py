"""Base classes of tenancy: every query that answers a person starts with `for_team`."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

from django.db import models

from accounts.models.people import Team

M = TypeVar("M", bound=models.Model, covariant=True)


class Viewer(Protocol):
    """Protocol of `accounts.tenancy.Access`."""

    @property
    def team(self) -> Team: ...
    @property
    def user_id(self) -> Any: ...
    @property
    def sees_every_agent(self) -> bool: ...


class TeamScopedQuerySet(models.QuerySet[M]):
    def for_team(self, team: Team) -> Self:
        """Filter by the team."""
        return self.filter(team=team)

    def visible_to(self, access: Viewer) -> Self:
        """Filter by the caller's team, without rows that are restricted to other members of it."""
        return self.for_team(access.team)


class TeamScopedModel(models.Model):
    """Base of models whose rows belong to exactly one team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True
