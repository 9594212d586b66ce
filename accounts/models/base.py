"""The root of tenancy: every query that answers a person starts with `for_team`."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models

from accounts.models.people import Team

M = TypeVar("M", bound=models.Model, covariant=True)


class TeamScopedQuerySet(models.QuerySet[M]):
    def for_team(self, team: Team) -> Self:
        """Only the rows of that team."""
        return self.filter(team=team)


class TeamScopedModel(models.Model):
    """A row that belongs to exactly one team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True
