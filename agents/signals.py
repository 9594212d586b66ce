"""What agents tells the apps above it. Sent inside the transaction of the change: a failing receiver undoes it."""

from __future__ import annotations

from django.dispatch import Signal

agent_limited = Signal()
"""An agent is kept to other people than before. Arguments: `agent`, `actor`, and `was_open`: everybody saw it."""

agent_removed = Signal()
"""An agent was deleted; whoever has work for it stops it now. Arguments: `agent`, `actor` (a User or None)."""
