"""Digest of one exact tool call, to which an approval is bound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return the digest of the tool and its arguments in canonical JSON."""
    canonical = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
