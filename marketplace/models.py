"""Placeholder of listings and hires. So far the app only has the onboarding, which needs no tables."""

from __future__ import annotations
