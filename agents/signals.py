"""What agents tells the apps above it. Sent inside the transaction of the change: a failing receiver undoes it."""

from __future__ import annotations

from django.dispatch import Signal

agent_removed = Signal()
"""An agent was deleted; whoever has work for it stops it now. Arguments: `agent`, `actor` (a User or None)."""
