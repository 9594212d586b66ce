"""Product settings for tests: without waits, and without writes outside of the test."""

from __future__ import annotations

import os

# mypy and the checks read the settings without any service; conftest sets the real addresses first.
os.environ.setdefault("DATABASE_URL", "postgres://deskhand@127.0.0.1:1/deskhand")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")
os.environ.setdefault("SECRET_KEY", "only-for-tests-and-checks")

from config.settings import *

DATABASES["default"]["OPTIONS"].pop("pool", None)  # a pool would outlive the test that opened it
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# A code that a test computes at the end of a half minute may arrive after it.
MFA_TOTP_TOLERANCE = 1
