"""Example files: equal to the output of their committed scripts."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"


def test_support_tickets_are_regenerated_byte_for_byte(tmp_path: Path) -> None:
    target = tmp_path / "again.csv"

    subprocess.run([sys.executable, EXAMPLES / "generate_support_tickets.py", target], check=True, timeout=60)

    assert target.read_bytes() == (EXAMPLES / "support-tickets.csv").read_bytes()


def test_support_tickets_look_like_real_ones() -> None:
    with (EXAMPLES / "support-tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 640
    assert len({row["ticket_id"] for row in rows}) == 640
    assert [row["opened_at"] for row in rows] == sorted(row["opened_at"] for row in rows)
    assert all((row["refunded"] == "true") == (float(row["refund_usd"]) > 0) for row in rows)
    subjects = "".join(row["subject"] for row in rows)
    assert all(sign in subjects for sign in (",", '"', "ü", "é"))
