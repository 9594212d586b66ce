"""Periodic jobs, run at once in the test's own thread."""

from __future__ import annotations

from accounts.periodic_jobs import JOBS
from accounts.services import job_runner


def run_periodic_jobs() -> list[str]:
    """Run every registered job once, due or not; return the names of those that failed."""
    return [job.name for job in JOBS.values() if job_runner.run_once(job)]
