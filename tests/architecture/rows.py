"""Rows of every model for one team, created without knowing the models.

Walks over all URLs as an outsider need something to find. Every text in the rows holds a word that may appear in no
response to anybody else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.utils import timezone

from accounts.models import Team, User
from tests.architecture.code import APPS

CANARY = "zanzibar"


class Rows:
    """Rows of one team, each created when something first needs it."""

    def __init__(self, team: Team, user: User, word: str = CANARY) -> None:
        self._word = word
        team.name = user.name = word
        team.save()
        user.save()
        self.of: dict[type[models.Model], models.Model] = {Team: team, User: user}

    def make_all(self) -> list[type[models.Model]]:
        """Create one row of each model. Return the models for which that failed."""
        failed = []
        for model in apps.get_models():
            if model._meta.app_label in APPS and model not in self.of:
                try:
                    with transaction.atomic():
                        self.get(model)
                except Exception:  # any failure is reported by the caller
                    failed.append(model)
        return failed

    def get(self, model: type[models.Model]) -> models.Model:
        if model not in self.of:
            self.of[model] = self._there(model) or self._made(model)
        return self.of[model]

    def _there(self, model: type[models.Model]) -> models.Model | None:
        is_of_a_team = any(field.name == "team" for field in model._meta.concrete_fields)
        return model._base_manager.filter(team=self.of[Team]).first() if is_of_a_team else None

    def _made(self, model: type[models.Model]) -> models.Model:
        values = {field.name: self._value(field) for field in model._meta.concrete_fields if self._is_needed(field)}
        return model._base_manager.create(**values)

    def _is_needed(self, field: models.Field[Any, Any]) -> bool:
        """Return True if the field must be set.

        Foreign keys are set wherever their row exists, so that rows really belong to the team.
        """
        if isinstance(field, models.ForeignKey):
            return not field.null or field.related_model in self.of
        if field.primary_key and isinstance(field, models.CharField):
            return True
        return not (field.primary_key or field.null or field.has_default() or field.has_db_default())

    def _value(self, field: models.Field[Any, Any]) -> Any:  # one line for each kind of field
        if isinstance(field, models.ForeignKey):
            return self.get(field.related_model)
        if field.choices:
            return next(value for value, _ in field.flatchoices)
        match field:
            case models.EmailField():
                return f"{self._word}@example.com"
            case models.CharField() | models.TextField():
                return f"{self._word}-{field.name}"[: field.max_length or 100]
            case models.DateTimeField():
                return timezone.now() + timedelta(hours=1)
            case models.DateField():
                return timezone.now().date()
            case models.DurationField():
                return timedelta(hours=1)
            case models.JSONField():
                return {"text": self._word}
            case ArrayField():
                return [self._word]
            case models.BinaryField():
                return self._word.encode()
            case models.BooleanField():
                return True
        return 1
