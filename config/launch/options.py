from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import url_settings
from config.embedded import PartError

ROOT = Path(__file__).resolve().parents[2]
# Variables that place a service elsewhere; it is not started here then.
ELSEWHERE = {"postgres": ("DATABASE_URL",), "valkey": ("REDIS_URL",), "s3": ("S3_ENDPOINT_URL", "S3_BUCKET")}
MOST_WEB = 4
"""Largest default number of web processes; WEB sets another."""
# Other variables that `manage.py` in another terminal needs for the same installation.
SHARED = (
    *("SECRET_KEY", "DESKHAND_ENCRYPTION_KEYS", "BASE_URL", "DATABASE_PASSWORD", "REDIS_PREFIX"),
    *("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_REGION"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the launcher, read from the environment."""

    home: Path
    port: int
    web: int
    workers: int
    demo_runs: bool
    worker_nice: int
    embedded: tuple[str, ...]

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Options:
        if fault := url_settings.fault_in(given):
            raise PartError(fault)
        return cls(
            home=(ROOT / (given.get("DESKHAND_VAR") or "var")).resolve(),
            port=_number(given, "PORT", default=8000, highest=65_535),
            web=_number(given, "WEB", default=min(os.cpu_count() or 1, MOST_WEB), highest=64),
            workers=_number(given, "WORKERS", default=1, highest=64),
            demo_runs=given.get("DESKHAND_DEMO_RUNS", "1") not in ("0", "false", "no"),
            worker_nice=_number(given, "DESKHAND_WORKER_NICE", default=10, lowest=0, highest=19),
            embedded=tuple(part for part, names in ELSEWHERE.items() if not any(given.get(name) for name in names)),
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _number(given: Mapping[str, str], name: str, *, default: int, highest: int, lowest: int = 1) -> int:
    text = given.get(name) or str(default)
    if not text.isdigit() or not lowest <= int(text) <= highest:
        raise PartError(f"{name} must be a number from {lowest} to {highest}, not {text!r}.")
    return int(text)
