"""Listings and hires will live here. So far the app owns the onboarding only, which needs no rows."""

from __future__ import annotations
