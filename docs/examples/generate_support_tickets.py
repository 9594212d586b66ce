"""Write support-tickets.csv: half a year of tickets of a fictional maker of smart-home devices.

Everything comes from one seeded stream of `random.random()`, the one method whose sequence Python promises never to
change, so the file is the same on every machine and Python. The data has findings: refunds come from faulty Porch Cams,
lost Latch Locks and billing mistakes; priority and channel only appear to matter.

    python docs/examples/generate_support_tickets.py [path]
"""

from __future__ import annotations

import csv
import io
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

SEED = 20260301
ROWS = 640
FIRST_DAY = datetime(2026, 3, 1)  # noqa: DTZ001 — local office time, as help desks export it
DAYS = 184
FIELDS = (
    "ticket_id", "opened_at", "channel", "product", "category", "priority", "country", "plan",
    "first_response_min", "resolution_h", "satisfaction", "refunded", "refund_usd", "agent", "subject",
)  # fmt: skip

PRODUCTS = {"Porch Cam": 30, "Latch Lock": 22, "Hearth Thermostat": 20, "Aura Lamp": 18, "Hub Mini": 10}
PRICES = {"Porch Cam": 149, "Latch Lock": 219, "Hearth Thermostat": 179, "Aura Lamp": 59, "Hub Mini": 99}
CATEGORIES: Mapping[str, Mapping[str, int]] = {
    "Porch Cam": {"Defect": 38, "Setup": 24, "Delivery": 14, "Billing": 12, "Account": 12},
    "Latch Lock": {"Delivery": 30, "Setup": 28, "Defect": 18, "Billing": 12, "Account": 12},
    "Hearth Thermostat": {"Setup": 46, "Defect": 14, "Delivery": 14, "Billing": 14, "Account": 12},
    "Aura Lamp": {"Setup": 34, "Delivery": 22, "Defect": 16, "Billing": 16, "Account": 12},
    "Hub Mini": {"Setup": 40, "Account": 24, "Defect": 14, "Delivery": 12, "Billing": 10},
}
REFUND_CHANCE = {("Porch Cam", "Defect"): 0.66, ("Latch Lock", "Delivery"): 0.52}
REFUND_CHANCE_BY_CATEGORY = {"Defect": 0.14, "Delivery": 0.12, "Billing": 0.27, "Setup": 0.03, "Account": 0.01}
CHANNELS = {"email": 41, "chat": 33, "phone": 18, "social": 8}
COUNTRIES = {"DE": 27, "US": 23, "GB": 15, "FR": 13, "AT": 8, "NL": 8, "SE": 6}
PLANS = {"free": 52, "plus": 34, "business": 14}
AGENTS = {"Amira": 14, "Björn": 12, "Chloé": 13, "Dmitri": 11, "Esra": 13, "Jürgen": 12, "Mei": 13, "Zoë": 12}
PRIORITIES: Mapping[str, Mapping[str, int]] = {
    "Defect": {"low": 10, "normal": 48, "high": 32, "urgent": 10},
    "Delivery": {"low": 14, "normal": 56, "high": 24, "urgent": 6},
    "Billing": {"low": 16, "normal": 58, "high": 22, "urgent": 4},
    "Setup": {"low": 38, "normal": 52, "high": 9, "urgent": 1},
    "Account": {"low": 34, "normal": 54, "high": 10, "urgent": 2},
}
RESPONSE_MIN = {"email": 190, "chat": 6, "phone": 3, "social": 75}
RESOLUTION_H = {"Defect": 44, "Delivery": 52, "Billing": 20, "Setup": 9, "Account": 6}
SUBJECTS: Mapping[str, Sequence[str]] = {
    "Defect": (
        '{p} shows "no signal" after the update',
        "{p} stopped working, third time this month",
        "{p} gets hot, smells burnt",
        '{p} reboots every night, app says "Error 12"',
        "{p} defekt, läuft nur noch zwei Stunden",
        "Picture frozen since Tuesday, {p}",
    ),
    "Delivery": (
        "Where is my {p}?",
        '{p}: tracking says "delivered", nothing here',
        "Paket für {p} beschädigt, Rücksendung möglich?",
        "{p} arrived without screws, manual and key",
        "Wrong colour sent, ordered black {p}",
        "Livraison du {p} retardée, encore",
    ),
    "Billing": (
        "Charged twice for {p}",
        '{p}: "annual" plan was billed monthly',
        "VAT missing on invoice, {p}",
        "Rechnung für {p} enthält falsche Straße",
        "Discount code not applied, {p}",
    ),
    "Setup": (
        "{p} does not find the Wi-Fi, 5 GHz only",
        "How do I mount the {p} on brick?",
        '{p} asks for a "setup code"',
        "{p} mit neuem Router verbinden, wie?",
        "Pairing {p} with two phones",
        "Can the {p} work without the cloud?",
    ),
    "Account": (
        "Cannot sign in, code never arrives",
        "Please change my e-mail address",
        'Second person cannot see "Home" in the app',
        "Konto löschen, bitte bestätigen",
        "Move {p} to another account",
    ),
}


class Dice:
    """Random choices built from `random.random()` and plain arithmetic only."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 — sample data

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, weights: Mapping[str, int]) -> str:
        at = self._random() * sum(weights.values())
        for value, weight in weights.items():
            at -= weight
            if at < 0:
                return value
        return value

    def one_of(self, values: Sequence[str]) -> str:
        return values[int(self._random() * len(values))]

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def spread(self, middle: float) -> float:
        """Draw a value around `middle`, with a long right tail, never below a tenth of it."""
        low = 0.1 + self._random() + self._random() * self._random()
        return middle * (low * 2.6 if self.chance(0.08) else low)


def opened_at(dice: Dice) -> datetime:
    """Draw a time, mostly on weekdays between 08:00 and 20:00."""
    day = FIRST_DAY + timedelta(days=dice.below(DAYS))
    if day.weekday() >= 5 and dice.chance(0.6):
        day -= timedelta(days=2)
    hour = 8 + dice.below(12) if dice.chance(0.88) else dice.below(24)
    return max(day, FIRST_DAY) + timedelta(hours=hour, minutes=dice.below(60))


def satisfaction(dice: Dice, *, hours: float, refunded: bool) -> str:
    """Draw a score of 1 to 5, lower after long waits; empty for a third of the customers."""
    if dice.chance(0.34):
        return ""
    score = 4.7 - hours / 32 + (0.4 if refunded else 0.0) - dice.below(3) * 0.6
    return str(min(5, max(1, round(score))))


def ticket(dice: Dice, when: datetime) -> dict[str, str]:
    """Draw one row, without its id."""
    product, channel = dice.pick(PRODUCTS), dice.pick(CHANNELS)
    category = dice.pick(CATEGORIES[product])
    priority = dice.pick(PRIORITIES[category])
    plan = dice.pick(PLANS)
    hurry = {"low": 1.3, "normal": 1.0, "high": 0.7, "urgent": 0.4}[priority] * (0.7 if plan == "business" else 1.0)
    minutes = max(1, round(dice.spread(RESPONSE_MIN[channel] * hurry)))
    hours = max(0.2, round(dice.spread(RESOLUTION_H[category] * hurry), 1))
    refunded = dice.chance(REFUND_CHANCE.get((product, category), REFUND_CHANCE_BY_CATEGORY[category]))
    share = 1.0 if dice.chance(0.7) else 0.25 + 0.05 * dice.below(11)
    return {
        "opened_at": when.strftime("%Y-%m-%d %H:%M"),
        "channel": channel,
        "product": product,
        "category": category,
        "priority": priority,
        "country": dice.pick(COUNTRIES),
        "plan": plan,
        "first_response_min": str(minutes),
        "resolution_h": f"{hours:.1f}",
        "satisfaction": satisfaction(dice, hours=hours, refunded=refunded),
        "refunded": "true" if refunded else "false",
        "refund_usd": f"{PRICES[product] * share if refunded else 0:.2f}",
        "agent": dice.pick(AGENTS),
        "subject": dice.one_of(SUBJECTS[category]).format(p=product),
    }


def generate() -> str:
    """Return the whole file as text with Unix line ends."""
    dice = Dice(SEED)
    times = sorted(opened_at(dice) for _ in range(ROWS))
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for number, when in enumerate(times, start=1):
        writer.writerow({"ticket_id": f"T-{10400 + number}"} | ticket(dice, when))
    return out.getvalue()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("support-tickets.csv")
    target.write_bytes(generate().encode())
