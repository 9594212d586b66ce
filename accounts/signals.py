"""What accounts tells the apps above it. Sent inside the transaction of the change: a failing receiver undoes it."""

from __future__ import annotations

from django.dispatch import Signal

team_created = Signal()
"""A team and its owner's membership exist. Arguments: `team`, `owner`."""
