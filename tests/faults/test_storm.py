"""Short form of `make chaos`: one fault of each family, the same clients, the same checker."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.nemesis import faults_of, fingerprint
from tests.chaos.report import Plan, table
from tests.chaos.storm import storm

FAMILIES = (
    ("burst", "with web killed in it"),
    ("kill", "worker"),
    ("kill", "valkey"),
    ("kill", "postgres"),
    ("pause", "worker beyond its lease"),
    ("terminate", "worker"),
    ("flush", "valkey"),
    ("end connections", "postgres"),
    ("model", "reset"),
    ("model", "malformed"),
    ("store", "busy"),
    ("store", "reset"),
    ("effect", "kill"),
    ("effect", "drop"),
)
SHORT = Plan(seed=33, duration_s=30, runs=60, faults=len(FAMILIES), deck=FAMILIES, outage_s=18, full_disks=1)


def test_a_short_storm_breaks_no_promise() -> None:
    report = storm(SHORT, print)

    assert report.is_clean, table(report)
    assert report.runs.total() >= SHORT.runs
    assert report.faults.total() >= 10, table(report)
    assert (report.faults["outage of the model"], report.faults["fill the disk"]) == (1, 1), table(report)
    assert report.model_waits_s, table(report)


def test_a_seed_gives_the_same_plan_again() -> None:
    plan = Plan(seed=7, duration_s=60, runs=0, faults=40, power_cuts=1, poison=1)

    first = faults_of(plan)

    assert faults_of(plan) == first
    assert faults_of(replace(plan, seed=8)) != first
    assert fingerprint(faults_of(plan)) == fingerprint(first) != fingerprint(faults_of(replace(plan, seed=8)))
    assert [fault.kind for fault in first].count("cut") == 1
    assert first == sorted(first, key=lambda fault: fault.at_s)
