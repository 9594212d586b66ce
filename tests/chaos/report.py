"""The table that a storm ends with."""

from __future__ import annotations

from collections import Counter

from tests.chaos.storm import Report

SHOWN = 8


def table(report: Report) -> str:
    rows = [
        ("seed", str(report.plan.seed)),
        ("faults injected", f"{report.faults.total()}: {_listed(report.faults)}"),
        ("runs", f"{report.runs.total()}: {_listed(report.runs)}"),
        ("events", str(report.events)),
        ("views", str(report.views)),
        ("calls without an answer", str(sum(n for name, n in report.statuses.items() if name.endswith("no answer")))),
        ("answers 5xx", _listed(Counter({k: n for k, n in report.statuses.items() if k[-3:].startswith("5")})) or "0"),
        ("duration", f"{report.duration_s:.0f} s, settled {report.calm_s:.0f} s after the last fault"),
        *((name, str(len(broken))) for name, broken in report.broken.items()),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    for name, broken in report.broken.items():
        lines += [f"  {name}: {sentence}" for sentence in broken[:SHOWN]]
        if len(broken) > SHOWN:
            lines.append(f"  {name}: and {len(broken) - SHOWN} more")
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
