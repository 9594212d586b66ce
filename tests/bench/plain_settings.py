"""Product settings with Django's default connections: a new one per request."""

from __future__ import annotations

from config.settings import *

for _ours in ("pool", "prepare_threshold"):
    DATABASES["default"]["OPTIONS"].pop(_ours, None)
