"""`make chaos`: ten minutes, a table, and a non-zero exit when one promise was broken.

SEED= repeats a storm; MINUTES=, RUNS= and FAULTS= change its size.
"""

from __future__ import annotations

import os
import secrets
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from tests.chaos.report import table
from tests.chaos.storm import Plan, storm


def main() -> int:
    minutes = float(os.environ.get("MINUTES") or 10)
    plan = Plan(
        seed=int(os.environ.get("SEED") or secrets.randbelow(1_000_000)),
        duration_s=minutes * 60,
        runs=int(os.environ.get("RUNS") or 120 * minutes),
        faults=int(os.environ.get("FAULTS") or 12 * minutes),
        power_cuts=round(minutes / 5),
    )
    print(f"SEED={plan.seed}", flush=True)
    report = storm(plan, lambda line: print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True))
    print(table(report))
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
