"""How long a test waits for what comes at once on an idle machine. A busy one may need most of it."""

from __future__ import annotations

import os

PATIENCE_S = float(os.environ.get("DESKHAND_TEST_PATIENCE_S", "60"))
"""`make mutations` sets less: there many wait for what never comes."""
