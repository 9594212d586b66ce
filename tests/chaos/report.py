"""Report of a storm: a table for people, a JSON file for machines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path

SHOWN = 8


@dataclass(frozen=True)
class Plan:
    """Parameters that determine a storm."""

    seed: int
    duration_s: float
    runs: int
    faults: int
    power_cuts: int = 0
    poison: int = 0
    outage_s: float = 0.0
    """Seconds of the model's single outage."""
    full_disks: int = 0
    deck: tuple[tuple[str, str], ...] = ()
    """Kinds of faults to choose from; empty for all of them."""
    submitters: int = 6
    sockets: int = 10
    streams: int = 2


@dataclass
class Report:
    plan: Plan
    fingerprint: str
    faults: Counter[str]
    runs: Counter[str]
    statuses: Counter[str]
    events: int
    views: int
    effects: int
    store: Counter[str]
    """Requests to the object store, by the fault that they met."""
    clocks: Counter[str]
    """Started workers, by the error of their clock in seconds."""
    overspent_usd: Decimal
    recovery_s: list[float]
    model_waits_s: list[float]
    """Seconds of each wait for the model."""
    calls_in_outage: int
    duration_s: float
    calm_s: float
    broken: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not any(self.broken.values())

    def recovery(self, percent: int) -> float:
        place = min(len(self.recovery_s) - 1, len(self.recovery_s) * percent // 100)
        return self.recovery_s[place] if self.recovery_s else 0.0


def table(report: Report) -> str:
    """Return the table. Each kind of broken promise has a line, which must be zero."""
    no_answer = sum(n for name, n in report.statuses.items() if name.endswith("no answer"))
    errors = Counter({name: n for name, n in report.statuses.items() if name[-3:].startswith("5")})
    recovery = f"p50 {report.recovery(50):.1f} s, p99 {report.recovery(99):.1f} s of {len(report.recovery_s)}"
    longest = max(report.model_waits_s, default=0)
    rows = [
        ("seed", f"{report.plan.seed} (plan {report.fingerprint})"),
        ("duration", f"{report.duration_s:.0f} s, all settled {report.calm_s:.0f} s after the last fault"),
        ("faults injected", str(report.faults.total())),
        *((f"  {kind}", listed) for kind, listed in _by_kind(report.faults)),
        ("runs", f"{report.runs.total()}: {_listed(report.runs)}"),
        ("events, views, effects", f"{report.events}, {report.views}, {report.effects}"),
        ("requests to the store", _listed(report.store)),
        ("clocks of workers", _listed(report.clocks)),
        ("calls without answer", str(no_answer)),
        ("answers 5xx", _listed(errors) or "0"),
        ("taken up again after", recovery),
        (
            "waits for the model",
            f"{len(report.model_waits_s)}, the longest {longest:.0f} s",
        ),
        ("calls in the outage", str(report.calls_in_outage)),
        ("most over a limit", f"${report.overspent_usd:.6f}"),
        *((name, str(len(broken))) for name, broken in report.broken.items()),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    for name, broken in report.broken.items():
        lines += [f"  {name}: {sentence}" for sentence in broken[:SHOWN]]
        if len(broken) > SHOWN:
            lines.append(f"  {name}: and {len(broken) - SHOWN} more")
    return "\n".join(lines)


def write(report: Report, folder: Path) -> Path:
    """Write the whole report as `<seed>.json`; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.plan.seed}.json"
    found = vars(report) | {
        "plan": asdict(report.plan),
        "is_clean": report.is_clean,
        "recovery_p50_s": report.recovery(50),
        "recovery_p99_s": report.recovery(99),
    }
    path.write_text(json.dumps(found, indent=1, default=str) + "\n")
    return path


def _by_kind(faults: Counter[str]) -> list[tuple[str, str]]:
    kinds: dict[str, Counter[str]] = {}
    for name, count in faults.items():
        kind, _, what = name.partition(" ")
        kinds.setdefault(kind, Counter())[what] += count
    return [(kind, _listed(kinds[kind])) for kind in sorted(kinds)]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
