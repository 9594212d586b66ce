"""What storage tells the apps above it."""

from __future__ import annotations

from django.dispatch import Signal

file_saving = Signal()
"""A file is about to be kept, inside the transaction of its row. Whoever raises refuses it: the object goes again.
Arguments: `team_id`, `size` in bytes."""
