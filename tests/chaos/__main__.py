"""`make chaos`: run a storm of ten minutes, print a table, and fail if a promise was broken.

SEED= repeats a storm; SECONDS=, RUNS= and FAULTS= change its size.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from tests.chaos import report
from tests.chaos.storm import storm
from tests.faults.installation import ROOT, exit_on_sigterm

RUNS_A_SECOND, FAULTS_A_SECOND = 2, 0.2
POWER_CUT_EVERY_S = POISON_EVERY_S = FULL_DISK_EVERY_S = 300
OUTAGE = 0.5
"""Share of the storm during which the model is down."""


def main() -> int:
    exit_on_sigterm()
    seconds = float(os.environ.get("SECONDS") or 600)
    plan = report.Plan(
        seed=int(os.environ.get("SEED") or secrets.randbelow(1_000_000)),
        duration_s=seconds,
        runs=int(os.environ.get("RUNS") or RUNS_A_SECOND * seconds),
        faults=int(os.environ.get("FAULTS") or FAULTS_A_SECOND * seconds),
        power_cuts=round(seconds / POWER_CUT_EVERY_S),
        poison=round(seconds / POISON_EVERY_S),
        outage_s=OUTAGE * seconds,
        full_disks=max(1, round(seconds / FULL_DISK_EVERY_S)),
    )
    print(f"SEED={plan.seed}", flush=True)
    found = storm(plan, lambda line: print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True))
    print(report.table(found))
    print(f"\nWritten to {report.write(found, Path(os.environ.get('DESKHAND_VAR') or ROOT / 'var') / 'chaos')}")
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
