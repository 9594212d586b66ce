from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config import demo


class Command(BaseCommand):
    help = "Make the demo team and var/demo.json, which says how to sign in. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        made = demo.seed()
        self.stdout.write(f"The demo team {demo.TEAM} is there; {demo.path()} says how to sign in at {made.url}.")
