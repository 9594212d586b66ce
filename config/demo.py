"""Demo team of a fresh installation, and the file with its sign-in data."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from accounts.errors import Unavailable
from accounts.models import Membership, Team, User
from accounts.models.roles import SCOPES
from accounts.services import keys, teams
from agents.models import Agent
from billing.models import TeamPlan
from billing.plans import ENTERPRISE
from config import demo_runs
from config.embedded.keys import write_private
from storage.models import StoredFile
from storage.services import save_file
from tasks.models import Task
from tasks.services import assignments
from tasks.services.onboarding import hire_role

TEAM = "Fernhill Supply"
PERSON = ("maya@fernhill.example", "Maya Lindqvist")
OPERATOR = ("operator@fernhill.example", "Operator")
ANALYST, OTHERS = ("data-analyst", "Rita"), ("support-rep", "researcher")
EXAMPLE = Path(settings.BASE_DIR) / "docs" / "examples" / "support-tickets.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Content of `demo.json`. The passwords are generated once."""

    url: str = ""
    email: str = PERSON[0]
    password: str = ""
    operator_email: str = OPERATOR[0]
    operator_password: str = ""
    team: str = ""
    api_key: str = ""


def path() -> Path:
    return settings.VAR_DIR / "demo.json"


def seed() -> SignIn:
    """Create what is missing of the demo. Idempotent; changes that people made stay."""
    known = _read()
    with transaction.atomic():
        person, password = _person(*PERSON, known.password)
        operator, operator_password = _person(*OPERATOR, known.operator_password, is_operator=True)
        if teams.default_team(operator) is None:
            teams.create_personal_team(owner=operator)
        team = teams.default_team(person) or _team(person)
        is_new = not Agent.objects.for_team(team).exists()  # deleted agents count, too
        if is_new:
            _staff(team, person)
        made = replace(
            known,
            url=settings.BASE_URL,
            password=password,
            operator_password=operator_password,
            team=team.slug,
            api_key=_api_key(team, person, known.api_key),
        )
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    if is_new:
        demo_runs.pending().touch()
    if made != known or not path().exists():
        write_private(path(), json.dumps(asdict(made), indent=1))
    return made


def _read() -> SignIn:
    try:
        found = json.loads(path().read_text())
        return SignIn(**{name: str(found[name]) for name in asdict(SignIn()) if found.get(name)})
    except (OSError, ValueError, AttributeError, TypeError):
        return SignIn()


def _person(email: str, name: str, password: str, *, is_operator: bool = False) -> tuple[User, str]:
    """Return the person with a verified address, and the password; a lost password is replaced."""
    user = User.objects.filter(email=email).first()
    if user is None or not password:
        password = password or secrets.token_urlsafe(12)
        user = user or User.objects.create_user(email, name=name, is_staff=is_operator, is_superuser=is_operator)
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user, password


def _team(person: User) -> Team:
    """Create the demo team on a plan with room for all of it, whatever plan new teams get."""
    team = teams.create_team(owner=person, name=TEAM)
    TeamPlan.objects.filter(team=team).update(plan=ENTERPRISE.key)
    return team


def _api_key(team: Team, person: User, token: str) -> str:
    found = keys.find_key(token)
    if found is not None and found.team == team:
        return token
    if not Membership.objects.filter(team=team, user=person).exists():
        return ""
    return keys.create_key(team=team, actor=person, name="Demo", scopes=SCOPES)[1]


def _staff(team: Team, person: User) -> None:
    """Create an analyst with a table to work on, and two colleagues."""
    key, name = ANALYST
    analyst = hire_role(team=team, actor=person, role=key, name=name)
    table = _example_table(team, person)
    if table is not None:
        for task in Task.objects.filter(agent=analyst):
            with_table = [v | {"default": str(table.pk)} if v["type"] == "file" else v for v in task.variables]
            assignments.update_task(task=task, actor=person, changes={"variables": with_table})
    for role in OTHERS:
        hire_role(team=team, actor=person, role=role)


def _example_table(team: Team, person: User) -> StoredFile | None:
    """Return the example table as an uploaded file, or None without the file or the object store."""
    if not EXAMPLE.exists():
        return None
    try:
        return save_file(team_id=team.pk, content=EXAMPLE, name=EXAMPLE.name, created_by=person)
    except Unavailable:
        return None
