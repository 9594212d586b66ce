from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import User
from accounts.services import teams
from config import demo, demo_runs


class Command(BaseCommand):
    help = "Give a new demo team its runs of the last weeks. Needs a worker; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email=demo.PERSON[0]).first()
        team = teams.default_team(person) if person else None
        if team is None or demo_runs.is_used(team):
            demo_runs.pending().unlink(missing_ok=True)
            self.stdout.write("Nothing to do: there is no demo team, or people have started runs in it.")
            return
        done = demo_runs.make(team)
        if done == len(demo_runs.DEMO_RUNS):
            demo_runs.pending().unlink(missing_ok=True)
        self.stdout.write(f"{done} of {len(demo_runs.DEMO_RUNS)} runs are there.")
