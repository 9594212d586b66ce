"""Command that starts a run and follows it in the terminal."""

from __future__ import annotations

import mimetypes
import shutil
import sys
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from accounts.errors import AppError
from accounts.models import Membership, Role, Team
from agents.models import Agent
from storage import services as storage
from tasks.management import terminal
from tasks.models import Run, RunOrigin
from tasks.services import runs
from tasks.services.run_request import RunRequest

NEEDS_A_PERSON = 3
"""Exit code when nobody can answer the agent."""


class Command(BaseCommand):
    help = "Start a run, show its live events, answer its questions, and save what it makes into a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prompt", help="what the agent should do")
        parser.add_argument("--agent", required=True, help='the name or the role of an agent, such as "Data analyst"')
        parser.add_argument("--file", action="append", default=[], help="a file to attach; may be given several times")
        parser.add_argument("--team", help="the team's slug; by default the only team that has such an agent")
        parser.add_argument("--out", help="the folder for the artifacts; by default deskhand-<run>")
        parser.add_argument("--max-cost", help="the most that the run may cost, in dollars")
        parser.add_argument("--no-input", action="store_true", help="stop with exit code 3 when the agent asks")

    def handle(self, *args: Any, **options: Any) -> None:
        agent = self._agent(options["agent"], options["team"])
        membership = Membership.objects.filter(team=agent.team, role=Role.OWNER).select_related("user").first()
        if membership is None:
            raise CommandError(f"The team {agent.team} has no owner who could start a run.")
        try:
            files = [self._upload(Path(name), agent.team) for name in options["file"]]
            limits = {"max_cost_usd": options["max_cost"]} if options["max_cost"] else {}
            asked = RunRequest(
                team=agent.team,
                origin=RunOrigin.TERMINAL,
                actor=membership.user,
                agent=agent,
                prompt=options["prompt"],
                attachments=files,
                limits=limits,
            )
            run = runs.start_run(asked)
        except AppError as error:
            raise CommandError(error.detail) from error
        run = self._follow(run, membership, has_input=not options["no_input"])
        self._save(run, Path(options["out"] or f"deskhand-{str(run.pk)[-8:]}"))
        if isinstance(run.output, str):
            self.stdout.write(f"\n{run.output}")
        if run.status != "succeeded":
            sys.exit(1)

    def _follow(self, run: Run, membership: Membership, *, has_input: bool) -> Run:
        try:
            return terminal.follow(
                run,
                out=sys.stdout,
                actor=membership.user,
                ask=input if has_input else None,
                is_terminal=sys.stdout.isatty(),
            )
        except terminal.NobodyToAsk as asked:
            self.stderr.write(f"The agent asks: {asked}. Answer it on the web page; the run waits for you.")
            sys.exit(NEEDS_A_PERSON)
        except (KeyboardInterrupt, EOFError):
            runs.cancel_run(run=run, actor=membership.user, reason="Stopped in the terminal.")
            raise CommandError("Stopped. The run is cancelled.") from None

    def _agent(self, name: str, team: str | None) -> Agent:
        found = Agent.objects.present().select_related("team", "version")
        found = found.filter(Q(name__iexact=name) | Q(role__iexact=name))
        if team:
            found = found.filter(team__slug=team)
        agents = list(found.order_by("created_at")[:20])
        if not agents:
            known = Agent.objects.present().values_list("name", "role")[:10]
            listed = ", ".join(f"{name} ({role})" for name, role in known) or "none yet"
            raise CommandError(f"There is no agent named {name!r}. Agents here: {listed}.")
        if len({agent.team_id for agent in agents}) > 1:
            slugs = ", ".join(sorted({agent.team.slug for agent in agents}))
            raise CommandError(f"Several teams have such an agent. Say which with --team: {slugs}.")
        return agents[0]

    def _upload(self, path: Path, team: Team) -> Any:
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return storage.save_file(team_id=team.pk, content=path, name=path.name, content_type=kind)

    def _save(self, run: Run, folder: Path) -> None:
        artifacts = list(run.artifacts.select_related("file").order_by("path"))
        for artifact in artifacts:
            target = folder / artifact.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with default_storage.open(artifact.file.key) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
        if artifacts:
            self.stdout.write(f"{len(artifacts)} files in {folder}/")
