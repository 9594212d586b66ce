"""Periodic jobs of tasks: what is due, lost or expired. They never drive a run."""

from __future__ import annotations

from accounts.periodic_jobs import register
from tasks.services import notices, periodic
from tasks.services.removals import stop_late_runs

EVERY_S = 5.0


def notify_people() -> None:
    """Tell people what they wait to hear, and clear from their bells what is over."""
    notices.notify_pending()
    notices.settle()


JOBS = (
    stop_late_runs,
    periodic.start_due_runs,
    periodic.resume_after_outages,
    periodic.expire_requests,
    periodic.expire_queued_runs,
    periodic.settle_abandoned_calls,
)
for job in JOBS:
    register("tasks", job, every_s=EVERY_S)
# In one lane and in this order: nobody is told that a run waits for money if it can go on.
register("tasks", periodic.resume_within_budget, every_s=EVERY_S, lane="notices")
register("tasks", notify_people, every_s=EVERY_S, lane="notices")
register("tasks", periodic.wake_workers, every_s=EVERY_S, lane="wake_ups")
