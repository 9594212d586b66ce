"""History of runs for a fresh demo team.

The demo model makes them on the real engine; then their dates are moved back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.errors import AppError
from accounts.ids import ids_at, moment_of
from accounts.models import Membership, Notification, Role, Team, User
from agents.models import Agent, Memory
from billing.models import UsageRecord
from storage.models import StoredFile
from storage.services import save_file
from tasks.models import Artifact, HumanRequest, RequestKind, Run, RunEvent, RunOrigin, RunStatus, Step
from tasks.services import answers
from tasks.services.run_request import RunRequest
from tasks.services.runs import start_run

log = logging.getLogger(__name__)
EXAMPLES = Path(settings.BASE_DIR) / "docs" / "examples"
TICKETS, HELP, SUPPLIERS = "support-tickets.csv", "help-center.md", "supplier-notes.md"
ANALYST, SUPPORT, RESEARCHER = "Data analyst", "Support rep", "Researcher"
AT_ONCE = 3
"""Concurrent demo runs. Their priority is below everything that people start."""
LONGEST_S = 180.0
"""Seconds after which a run is left as it is, because there may be no worker."""
POLL_S = 0.3
PRIORITY = -10
KEY = "demo_run"
"""Key in a run's metadata that identifies a demo run."""
HIRED = timedelta(days=24)
DECLINED = {"decision": "reject", "comment": "Not needed, I read it here."}
APPROVED = {"decision": "approve"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRun:
    """One demo run. `answers` maps request kinds to the person's answers; other requests stay open."""

    key: str
    role: str
    prompt: str
    ago: timedelta
    file: str = TICKETS
    ends: RunStatus = RunStatus.SUCCEEDED
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    review: bool = False
    waited: timedelta = timedelta(minutes=6)
    """Time that each of its requests waited for the answer."""


def _days(days: int, hours: float = 0) -> timedelta:
    return timedelta(days=days, hours=hours)


DEMO_RUNS: Sequence[DemoRun] = (
    DemoRun(
        key="question", role=ANALYST, prompt="What drives refunds?", ago=timedelta(minutes=25), ends=RunStatus.WAITING
    ),
    DemoRun(
        key="approval", role=ANALYST, prompt="What drives satisfaction?", ago=timedelta(hours=2), ends=RunStatus.WAITING
    ),
    DemoRun(
        key="review", role=RESEARCHER, file=SUPPLIERS, ago=timedelta(hours=4), review=True, ends=RunStatus.NEEDS_REVIEW,
        prompt="Compare the three suppliers in the attached notes on price, delivery time and risk.",
    ),
    DemoRun(
        key="failed", role=ANALYST, file="", ago=_days(1, 3), ends=RunStatus.FAILED,
        prompt="Which supplier was late most often this year?",
    ),
    DemoRun(key="by-product", role=ANALYST, ago=_days(1), prompt="Which product has the highest average refund_usd?"),
    DemoRun(
        key="reply", role=SUPPORT, file=HELP, ago=_days(2, 1),
        prompt="Draft an answer: my Porch Cam shows no signal since the update. What can I do?",
    ),
    DemoRun(
        key="drivers", role=ANALYST, ago=_days(3, 2), review=True, waited=timedelta(minutes=18),
        prompt="What drives refunds?",
        answers={"question": {"value": "refunded"}, "approval": DECLINED, "review": APPROVED},
    ),
    DemoRun(key="trend", role=ANALYST, ago=_days(5), prompt="How did the number of tickets change over time?"),
    DemoRun(
        key="penalty", role=RESEARCHER, file=SUPPLIERS, ago=_days(6, 4),
        prompt="Which supplier delivers late, and with which penalty?",
    ),
    DemoRun(
        key="relation", role=ANALYST, ago=_days(8, 1), prompt="Is satisfaction related to the resolution time?"
    ),
    DemoRun(
        key="returns", role=SUPPORT, file=HELP, ago=_days(9), review=True, answers={"review": APPROVED},
        prompt="Draft an answer: I want to send my device back after five weeks. Is that possible?",
    ),
    DemoRun(key="channels", role=ANALYST, ago=_days(11, 2), prompt="How many tickets came in by channel?"),
    DemoRun(
        key="months", role=ANALYST, ago=_days(13),
        prompt="Compare the month that ends on 2026-06-30 with the one before.",
    ),
    DemoRun(
        key="refunds", role=ANALYST, ago=_days(15, 3), prompt="Which country has the most refunds?",
        answers={"question": {"value": "refunded"}},
    ),
    DemoRun(
        key="risk", role=RESEARCHER, file=SUPPLIERS, ago=_days(18, 1),
        prompt="What do the notes say about contracts and payment terms of the suppliers?",
    ),
    DemoRun(key="gaps", role=ANALYST, ago=_days(20), prompt="Which columns have missing values?"),
)  # fmt: skip
"""Demo runs in the order of creation: open ones first, then newest to oldest, as the dashboard shows them."""


def pending() -> Path:
    """Return the path of the file that marks a new demo team without its runs."""
    return settings.VAR_DIR / "demo-runs.pending"


def make(team: Team) -> int:
    """Create the missing demo runs; return how many are in their final state. Idempotent."""
    membership = Membership.objects.filter(team=team, role=Role.OWNER).select_related("user").first()
    if membership is None:
        return 0
    person = membership.user
    agents = {agent.role: agent for agent in Agent.objects.present().filter(team=team).select_related("version")}
    _hire_earlier(team)
    waiting = [each for each in DEMO_RUNS if each.role in agents and (EXAMPLES / each.file).exists()]
    done = 0
    now = timezone.now()
    under_way: list[tuple[DemoRun, Run, float]] = []
    while waiting or under_way:
        while waiting and len(under_way) < AT_ONCE:
            each = waiting.pop(0)
            run = _started(each, agents[each.role], person, now)
            under_way.append((each, run, time.monotonic() + LONGEST_S))
        for entry in list(under_way):
            each, run, end = entry
            if _is_done(each, run, person):
                set_back(run, each.waited)
                done += 1
            elif time.monotonic() < end:
                continue
            else:
                log.warning("the demo run %s did not come to its end", each.key)
            under_way.remove(entry)
        time.sleep(POLL_S if under_way else 0)
    return done


def is_used(team: Team) -> bool:
    """Return True if people started runs before the demo runs. No demo runs are added then."""
    runs = Run.objects.for_team(team)
    return runs.exists() and not runs.filter(metadata__has_key=KEY).exists()


def _hire_earlier(team: Team) -> None:
    """Move the creation of the agents back to before their first run."""
    moment = timezone.now() - HIRED
    for agent in Agent.objects.filter(team=team, created_at__gt=timezone.now() - timedelta(days=1)):
        agent.versions.update(created_at=moment)
        Agent.objects.filter(pk=agent.pk).update(created_at=moment)


def _started(each: DemoRun, agent: Agent, person: User, now: datetime) -> Run:
    """Return the demo run, started now under an id of its own date, or as it was left."""
    found = Run.objects.filter(team=agent.team, metadata__contains={KEY: each.key}).first()
    if found is not None:
        return found
    files: list[StoredFile] = []
    if each.file:
        files.append(save_file(team_id=agent.team_id, content=EXAMPLES / each.file, name=each.file, created_by=person))
    moment = now - each.ago
    with ids_at(moment), transaction.atomic():
        asked = RunRequest(
            team=agent.team, actor=person, origin=RunOrigin.SEED, agent=agent, prompt=each.prompt, attachments=files,
            review=each.review,
            priority=PRIORITY, metadata={KEY: each.key},
        )  # fmt: skip
        run = start_run(asked)
        Run.objects.filter(pk=run.pk).update(created_at=moment)
    return run


def _is_done(each: DemoRun, run: Run, person: User) -> bool:
    """Return True if the run is in its final state. Answers the run's requests on the way."""
    run.refresh_from_db()
    asked = HumanRequest.objects.filter(run=run, status="open").first()
    if run.is_terminal:
        return True
    if asked is None:
        return False
    given = each.answers.get(asked.kind)
    if given is None:
        return run.status == each.ends
    answer = dict(given)
    if asked.kind == RequestKind.APPROVAL:
        answer["digest"] = asked.digest
    try:
        answers.answer_request(asked=asked, actor=person, answer=answer)
    except AppError as problem:
        log.warning("the demo run %s could not be answered: %s", each.key, problem)
    return False


# ---- Dates


@transaction.atomic
def set_back(run: Run, waited: timedelta) -> None:
    """Move all times of the run back to the time in its id. A second call changes nothing."""
    first = RunEvent.objects.get(run=run, seq=1)
    by = first.at - moment_of(run.pk)
    if by < timedelta(minutes=1):
        return
    for rows, names in _dated(run):
        rows.update(**{name: F(name) - by for name in names})
    answered = HumanRequest.objects.filter(run=run, answered_at__isnull=False).order_by("answered_at")
    for request in answered:
        _wait_longer(run, request, waited)
    seen = {"read_at": F("created_at"), "settled_at": F("created_at")}
    if run.is_terminal and run.status != RunStatus.FAILED:
        _notices(run).update(**seen)


def _wait_longer(run: Run, request: HumanRequest, waited: timedelta) -> None:
    """Move everything after an answer to later, by the time that the person took."""
    moment = request.answered_at
    for rows, names in _dated(run):
        for name in names:
            rows.filter(**{f"{name}__gte": moment}).update(**{name: F(name) + waited})


def _dated(run: Run) -> Iterator[tuple[Any, Sequence[str]]]:
    """Yield the querysets with rows of the run, and the names of their time fields."""
    yield (
        Run.objects.filter(pk=run.pk),
        ("status_changed_at", "queued_at", "started_at", "finished_at", "notified_at"),
    )
    yield RunEvent.objects.filter(run=run), ("at",)
    yield Step.objects.filter(run=run), ("created_at", "effect_at", "finished_at")
    yield HumanRequest.objects.filter(run=run), ("asked_at", "notified_at", "answered_at")
    yield Artifact.objects.filter(run=run), ("created_at", "updated_at")
    files = [*run.artifacts.values_list("file", flat=True), *run.inputs.values_list("file", flat=True)]
    yield StoredFile.objects.filter(pk__in=files), ("created_at",)
    yield UsageRecord.objects.filter(run_id=run.pk), ("at",)
    yield Memory.objects.filter(run_id=run.pk), ("created_at", "updated_at")
    yield _notices(run), ("created_at",)


def _notices(run: Run) -> Any:
    subjects = [str(run.pk), *map(str, run.requests.values_list("pk", flat=True))]
    return Notification.objects.filter(subject_id__in=subjects)
