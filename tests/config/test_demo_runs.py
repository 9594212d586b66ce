"""Runs of a new demo team: made once on the real engine, with their dates moved back."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from accounts.ids import first_id_at, ids_at, moment_of, uuid7
from accounts.models import AuditEntry, Notification, Team
from accounts.services import audit_chain
from agents.models import Agent, Memory
from config import demo_runs
from config.demo_runs import DEMO_RUNS, DemoRun
from tasks.models import HumanRequest, Run, RunEvent, RunStatus
from tasks.services import notices
from tests.factories import start_run
from tests.tasks.scripted import engine

FEW = [each for each in DEMO_RUNS if each.key in ("question", "failed", "review", "returns")]


@pytest.fixture
def home(tmp_path: Path, settings: Any, transactional_db: None) -> Path:
    settings.VAR_DIR = tmp_path / "var"
    settings.DEMO_DELAY_MS = 0
    call_command("seed_demo", verbosity=0)
    return tmp_path / "var"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[DemoRun]:
    """One demo run per final state; none draws a chart."""
    monkeypatch.setattr(demo_runs, "DEMO_RUNS", FEW)
    return FEW


def by_key() -> dict[str, Run]:
    return {run.metadata["demo_run"]: run for run in Run.objects.all()}


def test_a_new_team_gets_its_runs_once(home: Path, few: list[DemoRun]) -> None:
    assert demo_runs.pending().exists()
    with engine():
        call_command("seed_demo_runs", verbosity=0)

    found = by_key()
    ends = {key: run.status for key, run in found.items()}
    assert ends == {"question": "waiting", "failed": "failed", "review": "needs_review", "returns": "succeeded"}
    assert found["failed"].error_code == "no_result"
    assert found["failed"].error_detail.startswith("I could not start: this run has no table.")
    assert {asked.kind for asked in HumanRequest.objects.filter(status="open")} == {"question", "review"}
    assert mail.outbox == []
    assert not demo_runs.pending().exists()

    before = list(Run.objects.order_by("id").values("id", "created_at", "finished_at", "last_seq"))
    call_command("seed_demo", verbosity=0)
    call_command("seed_demo_runs", verbosity=0)
    assert list(Run.objects.order_by("id").values("id", "created_at", "finished_at", "last_seq")) == before


def test_everything_in_a_run_is_of_its_own_day(home: Path, few: list[DemoRun]) -> None:
    with engine():
        call_command("seed_demo_runs", verbosity=0)

    now = timezone.now()
    for each in few:
        run = by_key()[each.key]
        assert abs(now - each.ago - run.created_at) < timedelta(minutes=5)
        assert abs(moment_of(run.pk) - run.created_at) < timedelta(seconds=5)
        first, last = RunEvent.objects.filter(run=run).order_by("seq").first(), run.events.order_by("seq").last()
        assert first
        assert last
        assert abs(first.at - run.created_at) < timedelta(seconds=5)
        assert last.at < run.created_at + timedelta(minutes=10)
        times = list(RunEvent.objects.filter(run=run).order_by("seq").values_list("at", flat=True))
        assert times == sorted(times)
        for request in run.requests.all():
            assert run.created_at <= request.asked_at < now - each.ago + timedelta(minutes=10)
    returned = by_key()["returns"]
    answered = returned.requests.get()
    assert answered.answered_at
    assert returned.finished_at
    assert answered.answered_at - answered.asked_at >= FEW[3].waited
    assert returned.finished_at > answered.answered_at - timedelta(seconds=1)
    assert Run.objects.filter(pk__gte=first_id_at(now - timedelta(days=2))).count() == 3


def test_people_are_told_of_what_is_open_only(home: Path, few: list[DemoRun]) -> None:
    with engine():
        call_command("seed_demo_runs", verbosity=0)
    notices.notify_pending()

    open_ = Notification.objects.filter(read_at=None, settled_at=None)
    assert not open_.filter(subject_id=str(by_key()["returns"].pk)).exists()


def test_the_audit_log_stays_whole_and_true(home: Path, few: list[DemoRun]) -> None:
    began = timezone.now()
    with engine():
        call_command("seed_demo_runs", verbosity=0)

    started = AuditEntry.objects.filter(action="run.started")
    assert started.count() == len(few)
    assert all(entry.at >= began for entry in started)
    audit_chain.seal(Team.objects.get(slug="fernhill-supply").pk)
    assert audit_chain.verify(Team.objects.get(slug="fernhill-supply").pk).is_unbroken


def test_a_seed_that_was_cut_off_goes_on_where_it_was(home: Path, few: list[DemoRun], monkeypatch: Any) -> None:
    team = Team.objects.get(slug="fernhill-supply")
    person = team.memberships.get().user
    agents = {agent.role: agent for agent in Agent.objects.filter(team=team)}
    begun = demo_runs._started(few[2], agents[few[2].role], person, timezone.now())

    with engine():
        call_command("seed_demo_runs", verbosity=0)

    assert by_key()[few[2].key].pk == begun.pk
    assert len(by_key()) == len(few)


def test_a_team_that_people_use_already_gets_none(home: Path, few: list[DemoRun]) -> None:
    team = Team.objects.get(slug="fernhill-supply")
    agent = Agent.objects.filter(team=team).first()
    assert agent
    start_run(team=team, actor=team.memberships.get().user, agent=agent, prompt="Mine")

    call_command("seed_demo_runs", verbosity=0)

    assert [run.prompt for run in Run.objects.all()] == ["Mine"]
    assert not demo_runs.pending().exists()


def test_nothing_of_a_failed_run_is_remembered(home: Path, few: list[DemoRun]) -> None:
    with engine():
        call_command("seed_demo_runs", verbosity=0)

    assert not Memory.objects.filter(run_id=by_key()["failed"].pk).exists()


def test_the_terminal_command_of_the_readme_works_beside_the_demo(
    home: Path, few: list[DemoRun], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stop at the question of step 4 of the tour if nobody is at the terminal."""
    readme = (Path(settings.BASE_DIR) / "README.md").read_text()
    (command,) = re.findall(r"`\.venv/bin/python manage\.py run_agent (.+?)`", readme)

    with engine(), pytest.raises(SystemExit) as stopped:
        call_command("run_agent", *shlex.split(command), "--no-input")

    assert stopped.value.code == 3
    assert "The agent asks: Which column should I measure?" in capsys.readouterr().err
    assert Run.objects.get().inputs.get().name == "support-tickets.csv"


def test_the_runs_show_each_end_and_each_agent() -> None:
    ends = [each.ends for each in DEMO_RUNS]

    assert ends.count(RunStatus.SUCCEEDED) >= 12
    assert {each.role for each in DEMO_RUNS} == {"Data analyst", "Support rep", "Researcher"}
    assert ends.count(RunStatus.WAITING) == 2
    assert [ends.count(end) for end in (RunStatus.NEEDS_REVIEW, RunStatus.FAILED)] == [1, 1]
    assert max(each.ago for each in DEMO_RUNS) < demo_runs.HIRED
    assert len({each.key for each in DEMO_RUNS}) == len(DEMO_RUNS)


def test_an_id_can_be_of_another_moment() -> None:
    moment = timezone.now() - timedelta(days=9)

    with ids_at(moment):
        earlier = uuid7()
    now = uuid7()

    assert abs(moment_of(earlier) - moment) < timedelta(milliseconds=2)
    assert abs(moment_of(now) - timezone.now()) < timedelta(seconds=5)
    assert earlier < now
