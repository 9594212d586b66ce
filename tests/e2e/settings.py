"""Test settings with static files as in production: collected, hashed, served by WhiteNoise."""

from __future__ import annotations

import os

from tests.settings import *

STATIC_ROOT = os.environ["DESKHAND_E2E_STATIC"]
STORAGES["staticfiles"] = {"BACKEND": "config.ui.static_storage.StaticStorage"}
