"""Command that fills a team with invented data of three months, to look at pages with."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from accounts.ids import ids_at, uuid7
from accounts.models import Membership, Team, User
from agents.models import Agent, AgentVersion
from tasks.call_digest import digest
from tasks.models import HumanRequest, RequestKind, Run, RunKind, RunStatus

CONFIRM = "yes-fill-this-team-with-invented-data"
BATCH = 1000
DAYS = 90
CLOSE = 4
"""Requests that expire within the hour."""
TOOL = "email_report"
TITLES = (
    "Compare this week with last week",
    "What drives refunds?",
    "Answer overnight tickets",
    "Match October supplier invoices against the purchase orders and name every difference above ten dollars",
    "Überprüfe die Lieferzeiten der letzten drei Quartale",
    "四半期の返品理由をまとめる",
)
ENDS = (RunStatus.SUCCEEDED,) * 14 + (RunStatus.FAILED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.EXPIRED)
RUNTIME = {"runtime": "demo", "model": "demo-1"}


class Command(BaseCommand):
    help = "Fill a team with invented agents, runs and open requests. For tests and design work; never for a real team."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("team", help="the slug of the team, which must have no runs yet")
        parser.add_argument("--agents", type=int, default=12)
        parser.add_argument("--runs", type=int, default=300)
        parser.add_argument("--open", type=int, default=130, help="requests that wait for a person")
        parser.add_argument("--name-length", type=int, default=80, help="letters of the longest names, up to 200")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--confirm", help=f"has to be {CONFIRM}")

    def handle(self, *args: Any, **options: Any) -> None:
        team = Team.objects.filter(slug=options["team"]).first()
        if options["confirm"] != CONFIRM:
            raise CommandError(f"This writes invented data into the team. If you mean it: --confirm {CONFIRM}")
        if team is None:
            raise CommandError(f"There is no team {options['team']}.")
        if Run.objects.for_team(team).exists():
            raise CommandError("The team has runs already. Make a new one for invented data.")
        chance = random.Random(options["seed"])  # noqa: S311
        with transaction.atomic():
            agents = _agents(team, options["agents"], options["name_length"])
            runs = _runs(team, agents, chance, options)
            _requests(team, runs[: options["open"]], chance)
        self.stdout.write(f"{len(agents)} agents, {len(runs)} runs, {min(options['open'], len(runs))} open requests.")


def _long(text: str, length: int) -> str:
    """Repeat a text without blanks up to a length: names that nothing can wrap."""
    return (text * (length // len(text) + 1))[:length]


def _agents(team: Team, count: int, length: int) -> list[Agent]:
    made = []
    for n in range(count):
        name = f"Rita {n + 1}" if n % 4 else _long(f"Agent_{n + 1}_for_suppliers_", min(length, 80))
        agent = Agent.objects.create(team=team, name=name, role=("Data analyst", "Support")[n % 2], hue="teal")
        agent.version = AgentVersion.objects.create(
            agent=agent, team=team, number=1, instructions="Be careful.", tools=[], **RUNTIME
        )
        agent.save(update_fields=["version"])
        made.append(agent)
    return made


def _runs(team: Team, agents: list[Agent], chance: random.Random, options: dict[str, Any]) -> list[Run]:
    """Create the runs, newest first; the first ones wait for a person."""
    now, people = timezone.now(), _people(team)
    made = []
    for n in range(max(options["runs"], options["open"])):
        waits = n < options["open"]
        at = now - timedelta(seconds=(n + 1) * DAYS * 86_400 / (options["runs"] + 1))
        agent, took = chance.choice(agents), chance.uniform(2, 900)
        title = chance.choice(TITLES) if n % 9 else _long("Compare_every_supplier_", min(options["name_length"], 160))
        kind = RequestKind.APPROVAL if n % 2 else RequestKind.QUESTION
        status = RunStatus.WAITING if waits else chance.choice(ENDS)
        with ids_at(at):
            run_id = uuid7()
        made.append(
            Run(
                id=run_id,
                team=team,
                agent=agent,
                version=agent.version,
                created_by=chance.choice(people),
                kind=RunKind.DIRECT,
                title=title,
                prompt=f"{title}.",
                status=status,
                waiting_kind=kind if waits else "",
                created_at=at,
                queued_at=at,
                started_at=at,
                active_s=took,
                finished_at=None if waits else at + timedelta(seconds=took),
                cost_usd=Decimal(chance.randrange(0, 900_000)) / 1_000_000,
                error_code="model_error" if status == RunStatus.FAILED else "",
                error_detail="The model provider refused our key." if status == RunStatus.FAILED else "",
                max_cost_usd=1,
                max_turns=40,
                timeout_s=1800,
                notified_at=now,
            )
        )
    Run.objects.bulk_create(made, batch_size=BATCH)
    return made


def _people(team: Team) -> list[User]:
    people = [member.user for member in Membership.objects.filter(team=team).select_related("user")]
    if not people:
        raise CommandError("The team has nobody in it.")
    return people


def _requests(team: Team, waiting: list[Run], chance: random.Random) -> None:
    """Create an open request for each run; a few expire within the hour, the others over two days."""
    now, made = timezone.now(), []
    for n, run in enumerate(waiting):
        due = now + timedelta(minutes=5 + n * 12 if n < CLOSE else chance.uniform(61, 2880))
        asked: dict[str, Any] = {"team": team, "run": run, "kind": run.waiting_kind, "notified_at": now}
        asked |= {"expires_at": due, "asked_at": run.created_at}
        if run.waiting_kind == RequestKind.QUESTION:
            title = "Which column should I measure?"
            made.append(HumanRequest(**asked, title=title, choices=["refunded", "refund_usd", "Both"]))
            continue
        to = f"customer{n}@example.com"
        call = {
            "to": [to],
            "subject": f"Your order {1000 + n}",
            "body": f"Hello,\n\nyour order {1000 + n} is on its way.",
        }
        named = {"tool": TOOL, "arguments": call, "digest": digest(TOOL, call), "call_id": f"c{n}"}
        made.append(HumanRequest(**asked, title=f"Email {to}: {call['subject']}", **named))
    HumanRequest.objects.bulk_create(made, batch_size=BATCH)
