"""Plans and their limits, in one table. The API, the product pages and the pricing page read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

GB = 1024**3


class Limit(StrEnum):
    """Kinds of limits that a plan sets."""

    AGENTS = "agents"
    MONTHLY_RUNS = "runs_per_month"
    SEATS = "seats"
    STORAGE_BYTES = "storage_bytes"
    CONCURRENT_RUNS = "concurrent_runs"
    CONCURRENT_BUILDS = "concurrent_builds"


LABELS: Mapping[Limit, str] = {
    Limit.AGENTS: "Agents",
    Limit.MONTHLY_RUNS: "Runs this month",
    Limit.SEATS: "People",
    Limit.STORAGE_BYTES: "Storage",
    Limit.CONCURRENT_RUNS: "Runs at the same time",
    Limit.CONCURRENT_BUILDS: "Builds at the same time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan. None as a limit: no limit; None as a price: agreed individually."""

    key: str
    name: str
    blurb: str
    price_usd: int | None
    limits: Mapping[Limit, int | None]


def _plan(key: str, name: str, blurb: str, price_usd: int | None, *limits: int | None) -> Plan:
    return Plan(key=key, name=name, blurb=blurb, price_usd=price_usd, limits=dict(zip(Limit, limits, strict=True)))


# key, name, audience, USD per month, then the limits in the order of Limit
FREE = _plan("free", "Free", "To try it on one real job", 0, 1, 200, 3, 1 * GB, 1, 0)
STARTER = _plan("starter", "Starter", "For one team with a few steady jobs", 29, 3, 1_000, 5, 10 * GB, 2, 1)
PRO = _plan("pro", "Pro", "For companies where agents do daily work", 99, 10, 5_000, 25, 50 * GB, 5, 3)
ENTERPRISE = _plan(
    "enterprise", "Enterprise", "For many teams, or your own servers", None, None, None, None, None, None, None
)
PLANS: Mapping[str, Plan] = {plan.key: plan for plan in (FREE, STARTER, PRO, ENTERPRISE)}
CHOICES = [(plan.key, plan.name) for plan in PLANS.values()]
