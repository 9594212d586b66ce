"""Command that verifies a downloaded bundle, and that this installation exported it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.reports import verification
from tasks.reports.bundle import was_exported


class Command(BaseCommand):
    help = "Verify a bundle of a run: its hashes, the chain of its events, and its seal in the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("bundle", help="the tar.gz, or the folder that it was unpacked into")

    def handle(self, *args: Any, bundle: str, **options: Any) -> None:
        """Print the result. Exits with code 1 for a bundle that was not written here as it is."""
        problems, manifest = verification.verify(Path(bundle))
        if problems or manifest is None:
            raise CommandError("\n".join([*problems, "The bundle is not as it was written."]))
        entry = was_exported(manifest["run"], manifest["seal"])
        count, files = manifest["events"]["count"], len(manifest["members"])
        if entry is None:
            raise CommandError(
                f"The {count} events and {files} files fit each other, but the audit log here knows no bundle with the "
                f"seal {manifest['seal']}: it was written anew, or another installation made it."
            )
        self.stdout.write(
            f"Run {manifest['run']}: {count} events and {files} files are as they were written, "
            f"exported by {entry.actor_label} at {entry.at:%Y-%m-%d %H:%M:%S} UTC."
        )
