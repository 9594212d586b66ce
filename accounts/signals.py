"""What accounts tells the apps above it. Sent inside the transaction of the change: a failing receiver undoes it."""

from __future__ import annotations

from django.dispatch import Signal

team_created = Signal()
"""A team and its owner's membership exist. Arguments: `team`, `owner`."""

member_joining = Signal()
"""A person is about to become a member. Whoever raises refuses it. Argument: `team`, whose row is held."""

team_removed = Signal()
"""A team was deleted; whoever has work for it stops it now. Arguments: `team`, `actor` (a User or None)."""
