"""The name of one exact tool call: what an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(tool: str, arguments: Mapping[str, Any]) -> str:
    """Names exactly this call: the tool and its arguments in one canonical form."""
    canonical = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
