"""Deployment steps between new code and serving it: what `make up` and deployments run before the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from config import fingerprint


class Command(BaseCommand):
    help = "Migrate, collect the static files, and make the demo team once (--no-demo leaves it out)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        made_from = fingerprint.code_fingerprint()
        call_command("migrate", verbosity=1, interactive=False)
        _collect_static(made_from)
        if not options["no_demo"] and "seed_demo" in get_commands():
            call_command("seed_demo")
        with connection.cursor() as cursor:
            name = connection.ops.quote_name(connection.settings_dict["NAME"])
            cursor.execute(f"COMMENT ON DATABASE {name} IS 'prepared from {made_from}'")


def _collect_static(made_from: str) -> None:
    """Collect static files only if the code has changed: compressing them takes seconds."""
    stamp = Path(settings.STATIC_ROOT) / ".made-from"
    if not stamp.exists() or stamp.read_text() != made_from:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(made_from)
