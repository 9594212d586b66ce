"""The product's settings with Django's own handling of connections: a new one for each request."""

from __future__ import annotations

from config.settings import *

for _ours in ("pool", "prepare_threshold"):
    DATABASES["default"]["OPTIONS"].pop(_ours, None)
