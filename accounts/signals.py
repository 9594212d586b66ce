"""What accounts tells the apps above it. Sent inside the transaction of the change: a failing receiver undoes it."""

from __future__ import annotations

from django.dispatch import Signal

team_created = Signal()
"""A team and its owner's membership exist. Arguments: `team`, `owner`."""

member_joining = Signal()
"""A person is about to become a member. Whoever raises refuses it. Argument: `team`, whose row is held."""

member_inviting = Signal()
"""Somebody is about to be invited, or again. Whoever raises refuses it. Arguments: `team`, whose row is held, and
`adding`: 1, or 0 for one whose link still works."""

team_removed = Signal()
"""A team was deleted; whoever has work for it stops it now. Arguments: `team`, `actor` (a User or None)."""

notifications_changed = Signal()
"""After the commit. The bells of `people` (ids) in the team `team_id` show something else than before."""

notification_due = Signal()
"""A mail about `notification` is about to go, or its link was opened. A receiver says why it is out of date, or ""."""
