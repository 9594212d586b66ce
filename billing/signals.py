"""What billing tells the apps above it. Sent inside the transaction of the change."""

from __future__ import annotations

from django.dispatch import Signal

budget_changed = Signal()
"""A budget was set, raised, lowered or taken away. Arguments: `team`, `agent_id` (None for the team's own)."""
