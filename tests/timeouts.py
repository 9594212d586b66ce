"""Timeout of tests for events that take an instant on an idle machine. A busy machine may need most of it."""

from __future__ import annotations

import os

PATIENCE_S = float(os.environ.get("DESKHAND_TEST_PATIENCE_S", "60"))
"""Seconds. `make mutations` sets less, because many of its tests wait for events that never come."""
