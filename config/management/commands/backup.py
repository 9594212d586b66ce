"""Command `backup`: write the whole installation into a folder, running or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.backup import making
from config.backup.errors import BackupError
from config.backup.manifest import KEYS


class Command(BaseCommand):
    help = "Write the database, the files and the keys into a new folder. Nothing that runs has to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", help="a folder that does not exist yet")
        parser.add_argument(
            "--without-keys", action="store_true", help="leave SECRET_KEY and the encryption keys out; keep them apart"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["folder"]).resolve()
        with_keys = not options["without_keys"]
        try:
            made = making.make(folder, with_keys=with_keys, say=self.stdout.write)
        except BackupError as error:
            raise CommandError(str(error)) from error
        for one in made.missing:
            self.stderr.write(f"The file {one['name']} {one['why']} ({one['key']}): it is not in the backup.")
        self.stdout.write(
            f"The backup of {made.made_at} is whole: {folder}. "
            f"It holds {made.objects} objects, {made.object_bytes / 1e6:.1f} MB."
        )
        self.stdout.write(
            f"Whoever has it can read all of it, and {KEYS} opens what is encrypted: keep it as safe as the server."
            if with_keys
            else "It holds no keys: keep SECRET_KEY (secrets.json) and DESKHAND_ENCRYPTION_KEYS apart from it."
        )
