"""Start time and priority, which all forms that start runs share."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from tasks.services.runs import LATEST_START, PRIORITIES, TOO_LATE

if TYPE_CHECKING:
    from django.http import QueryDict

LATER = "later"
known_zones = functools.cache(available_timezones)


class StartForm(forms.Form):
    """Start now or later, in the browser's time zone; without JavaScript in UTC."""

    start = forms.ChoiceField(
        choices=[("now", "Now"), (LATER, "Later")], required=False, initial="now", widget=forms.RadioSelect
    )
    start_date = forms.DateField(
        label="Day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Choose the day.", "invalid": "Write the day as 2026-12-31."},
    )
    start_time = forms.TimeField(
        label="Time",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"required": "Choose the time.", "invalid": "Write the time as 14:30."},
    )
    zone = forms.CharField(required=False, initial="UTC", widget=forms.HiddenInput)
    priority = forms.IntegerField(
        label="Priority",
        required=False,
        min_value=PRIORITIES[0],
        max_value=PRIORITIES[1],
        help_text=f"{PRIORITIES[0]} to {PRIORITIES[1]}, 0 if empty. Of the team's waiting runs the highest goes first.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:  # a submitted form keeps its zone
            self.fields["zone"].widget.attrs["data-zone"] = "start-zone"

    @property
    def zone_name(self) -> str:
        return str(self["zone"].value() or "UTC").replace("_", " ")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["start_at"] = None
        wrong = {"start_date", "start_time", "zone"} & set(self.errors)
        if data.get("start") != LATER:
            for name in wrong:
                del self.errors[name]
        elif not wrong:
            try:
                data["start_at"] = self._start_at(data["start_date"], data["start_time"], data["zone"] or "UTC")
            except ValidationError as error:
                self.add_error(None, error)
        return data

    def when(self) -> dict[str, Any]:
        """Return start and priority for the service."""
        return {"start_at": self.cleaned_data["start_at"], "priority": self.cleaned_data["priority"] or 0}

    def _start_at(self, day: date, at: time, name: str) -> datetime:
        if name not in known_zones():
            self.data = cast("QueryDict", self.data).copy()
            self.data["zone"] = "UTC"
            raise ValidationError({"start_time": "Your time zone is not known here. Give the time in UTC."})
        now = timezone.now()
        # check far dates first: at the ends of the calendar, conversion to UTC overflows
        if datetime.combine(day, at, UTC) > now + LATEST_START + timedelta(days=1):
            raise ValidationError({"start_date": TOO_LATE})
        today = now.astimezone(ZoneInfo(name))
        if day < today.date():
            raise ValidationError({"start_date": "That day is over."})
        return _checked(datetime.combine(day, at, today.tzinfo), today)


def _checked(start: datetime, now: datetime) -> datetime:
    """Return the time in UTC.

    Raises ValidationError if that clock time does not exist or has passed. Of an ambiguous time it takes the first.
    """
    found = start.astimezone(UTC)
    if found.astimezone(start.tzinfo).replace(tzinfo=None) != start.replace(tzinfo=None):
        raise ValidationError({"start_time": "That day has no such time: the clocks go forward over it."})
    if found <= now:
        raise ValidationError({"start_time": f"That has passed: it is {now:%H:%M} now."})
    return found
