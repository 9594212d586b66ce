"""Command `restore`: put a backup into a stopped installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.backup import live, parts, restoring
from config.backup.errors import BackupError


class Command(BaseCommand):
    help = "Put a backup back. Everything must be stopped; the next start goes on with the runs that were under way."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", help="what manage.py backup has written")
        parser.add_argument(
            "--replace", action="store_true", help="in the place of the installation that is here, which is lost"
        )
        parser.add_argument(
            "--other-keys", action="store_true", help="although the keys are others than those it needs"
        )
        parser.add_argument(
            "--cancel-acting", action="store_true", help="cancel the runs that may do something a second time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"]).resolve()
        try:
            found = restoring.restore(
                folder,
                replace=options["replace"],
                other_keys=options["other_keys"],
                sets_secret=parts.sets_secret,
                say=self.stdout.write,
            )
        except BackupError as error:
            raise CommandError(str(error)) from error
        for one in found.missing:
            self.stderr.write(f"The file {one['name']} {one['why']} ({one['key']}) when the backup was made.")
        self.stdout.write(f"Deskhand is as it was at {found.made_at}.")
        if options["cancel_acting"]:
            self.stdout.write(f"Cancelled: {restoring.cancel_acting(found.live)} runs that could act outside.")
            return
        self.stdout.write("\n".join(live.report_lines(found.live, found.made_at)))
