"""Hash of all code that determines the database schema and the static files."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SOURCES = ("requirements/prod.txt", "static/dist/**/*", "[a-z]*/**/*.py")
_NOT_OURS = {"tests", "scripts", "docs", "var", "node_modules"}


def code_fingerprint() -> str:
    """Return the hash (about 30 ms). Each start compares it, and only new code migrates, collects and seeds."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT)
            if path.is_file() and name.parts[0] not in _NOT_OURS:
                digest.update(str(name).encode() + path.read_bytes())
    return digest.hexdigest()
