"""Command `audit`: verify, export, accept after a restore, remove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AppError
from accounts.models import Team
from accounts.services import audit_chain, audit_checkpoints


class Command(BaseCommand):
    help = (
        "Verify the audit log or an export of it, write an export, accept the log after a restore from a backup, "
        "or remove the log of a team that is gone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["verify", "export", "accept", "remove"])
        parser.add_argument("--team", help="the team's slug, or its id, which is all that is left of a deleted team")
        parser.add_argument("--file", help="verify this export instead of the database")

    def handle(self, *args: Any, what: str, team: str | None, file: str | None, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(_team_id(team) if team else None, file)
        except AppError as error:
            raise CommandError(error.detail) from None

    def _verify(self, team_id: UUID | None, file: str | None) -> None:
        """Print a verdict for each chain. Exits with code 1 if one is broken."""
        if file:
            with Path(file).open(encoding="utf-8") as lines:
                found = {Path(file).name: audit_chain.verify_lines(json.loads(text) for text in lines if text.strip())}
        else:
            of = [team_id] if team_id else audit_checkpoints.known_teams()
            found = {str(one): audit_chain.verify(one) for one in of}
        for name, verdict in found.items():
            self.stdout.write(f"{name}: {verdict}")
        if not all(verdict.is_unbroken for verdict in found.values()):
            raise CommandError("The audit log is not as it was written.")

    def _export(self, team_id: UUID | None, file: str | None) -> None:
        for text in audit_chain.export(_named(team_id)):
            self.stdout.write(text, ending="")

    def _accept(self, team_id: UUID | None, file: str | None) -> None:
        """Make the end of each chain its checkpoint, whatever the file store says, and log that."""
        teams = Team.objects.filter(removed_at=None, **({"pk": team_id} if team_id else {})).order_by("pk")
        accepted = [team.slug for team in teams if audit_chain.accept_checkpoint(team)]
        self.stdout.write(f"Accepted: {', '.join(accepted)}." if accepted else "Every log fits its checkpoint.")

    def _remove(self, team_id: UUID | None, file: str | None) -> None:
        self.stdout.write(f"{audit_chain.remove_chain(_named(team_id))} entries are removed.")


def _named(team_id: UUID | None) -> UUID:
    if team_id is None:
        raise CommandError("Say which team: --team SLUG or --team ID.")
    return team_id


def _team_id(text: str) -> UUID:
    if (team := Team.objects.filter(slug=text).first()) is not None:
        return team.pk
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(f"There is no team {text}.") from None
