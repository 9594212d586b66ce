"""Factories of all models: the smallest valid row; tests name every value that matters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils import timezone
from factory import post_generation
from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from accounts.models import Membership, Role, Team, User
from agents.models import Agent, AgentVersion, Runtime
from billing.models import UsageRecord
from storage.models import StoredFile
from tasks.models import Artifact, HumanRequest, RequestKind, Run, RunOrigin, RunStatus, Task
from tasks.services import runs
from tasks.services.run_request import RunRequest

PASSWORD = "correct horse battery"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = Sequence(lambda n: f"person{n}@example.com")
    name = Sequence(lambda n: f"Person {n}")
    password = Password(PASSWORD)


class TeamFactory(DjangoModelFactory[Team]):
    class Meta:
        model = Team

    name = Sequence(lambda n: f"Team {n}")
    slug = Sequence(lambda n: f"team-{n}")


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    team = SubFactory(TeamFactory)
    user = SubFactory(UserFactory)
    role = Role.MEMBER


class AgentFactory(DjangoModelFactory[Agent]):
    """Agent with its first version; `version__…` sets the version's values."""

    class Meta:
        model = Agent
        skip_postgeneration_save = True

    team = SubFactory(TeamFactory)
    name = Sequence(lambda n: f"Agent {n}")

    @post_generation
    def version(self: Agent, create: bool, extracted: Any, **values: Any) -> None:
        version = AgentVersionFactory(agent=self, team=self.team, **values)
        self.version = version
        self.save()


class AgentVersionFactory(DjangoModelFactory[AgentVersion]):
    class Meta:
        model = AgentVersion

    number = 1
    instructions = "Do what you are asked."
    runtime = Runtime.DEMO
    model = "demo-1"


class TaskFactory(DjangoModelFactory[Task]):
    class Meta:
        model = Task

    agent = SubFactory(AgentFactory)
    team = SelfAttribute("agent.team")
    name = Sequence(lambda n: f"Task {n}")
    prompt = "Look at the numbers."


class RunFactory(DjangoModelFactory[Run]):
    """Queued run of an agent."""

    class Meta:
        model = Run

    agent = SubFactory(AgentFactory)
    team = SelfAttribute("agent.team")
    version = SelfAttribute("agent.version")
    title = Sequence(lambda n: f"Run {n}")
    prompt = "Look at the numbers."
    max_cost_usd = Decimal("1.00")
    max_turns = 40
    timeout_s = 1800
    queued_at = LazyFunction(timezone.now)


class HumanRequestFactory(DjangoModelFactory[HumanRequest]):
    """Open question of a run that waits for its answer."""

    class Meta:
        model = HumanRequest

    run = SubFactory(RunFactory, status=RunStatus.WAITING, waiting_kind="question")
    team = SelfAttribute("run.team")
    kind = RequestKind.QUESTION
    title = "Which column?"


class StoredFileFactory(DjangoModelFactory[StoredFile]):
    """Row without an object, for pages that only name the file."""

    class Meta:
        model = StoredFile

    team = SubFactory(TeamFactory)
    key = Sequence(lambda n: f"nowhere/{n}")
    name = "report.md"
    size = 2800
    sha256 = "ab" * 32
    content_type = "text/markdown"


class ArtifactFactory(DjangoModelFactory[Artifact]):
    class Meta:
        model = Artifact

    run = SubFactory(RunFactory)
    team = SelfAttribute("run.team")
    path = "report.md"
    file = SubFactory(StoredFileFactory, team=SelfAttribute("..team"), name=SelfAttribute("..path"))


def usage(agent: Agent, cost_usd: str) -> UsageRecord:
    """Create a charged call of the agent, now."""
    return UsageRecord.objects.create(
        team=agent.team,
        key=str(uuid4()),
        kind="model",
        outcome="charged",
        run_id=uuid4(),
        step_key="1",
        agent_id=agent.pk,
        cost_usd=Decimal(cost_usd),
    )


def start_run(**request: Any) -> Run:
    """Start a run as the pages and the API do; takes the fields of RunRequest."""
    return runs.start_run(RunRequest(**{"origin": RunOrigin.PAGE} | request))
