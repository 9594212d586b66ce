"""Top of a run's page: the result with its documents, numbers, the place in line, one clock."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from agents.models import Agent
from billing import entitlements
from tasks import event_log, events
from tasks.models import HumanRequest, Run, RunStatus, Step
from tasks.run_page.page import RunPage
from tasks.run_page.queue_position import QueuePosition, queue_position
from tasks.services import shares
from tests.factories import AgentFactory, ArtifactFactory, HumanRequestFactory, RunFactory, StoredFileFactory
from tests.html import Page


@pytest.fixture
def agent(team: Team) -> Agent:
    made: Agent = AgentFactory(team=team, name="Ana")
    return made


def shown(client: Client, run: Run, part: str = "") -> Page:
    return Page(client.get(f"/t/acme/runs/{run.pk}/{part}").text)


def running(agent: Agent, **more: Any) -> Run:
    leased = {"status": RunStatus.RUNNING, "lease_expires_at": timezone.now() + timedelta(hours=1)}
    made: Run = RunFactory(agent=agent, started_at=timezone.now() - timedelta(minutes=30), **leased, **more)
    return made


def finished(agent: Agent, status: str = RunStatus.SUCCEEDED, **more: Any) -> Run:
    now = timezone.now()
    ended = {"finished_at": now} if status != RunStatus.NEEDS_REVIEW else {}
    made: Run = RunFactory(agent=agent, status=status, started_at=now - timedelta(minutes=35), **ended, **more)
    return made


def deliver(run: Run, *paths: str) -> dict[str, Any]:
    return {
        path: ArtifactFactory(run=run, path=path, file=StoredFileFactory(team=run.team, name=path)) for path in paths
    }


class TestInLine:
    def test_runs_are_counted_as_they_are_claimed(self, agent: Agent, other_team: Team) -> None:
        now = timezone.now()
        first = RunFactory(agent=agent, queued_at=now - timedelta(minutes=3))
        urgent = RunFactory(agent=agent, queued_at=now, priority=5)
        last = RunFactory(agent=agent, queued_at=now - timedelta(minutes=1))
        RunFactory(agent=agent, queued_at=now - timedelta(hours=1), start_at=now + timedelta(hours=1))
        RunFactory(agent=AgentFactory(team=other_team), queued_at=now - timedelta(hours=1))
        running(agent)

        assert queue_position(urgent) == QueuePosition(ahead=0, running=1)
        assert queue_position(first) == QueuePosition(ahead=1, running=1)
        assert queue_position(last) == QueuePosition(ahead=2, running=1)

    @pytest.mark.parametrize(
        ("ahead", "place"), [(0, "1st"), (1, "2nd"), (2, "3rd"), (3, "4th"), (10, "11th"), (21, "22nd"), (111, "112th")]
    )
    def test_a_place_has_its_ending(self, ahead: int, place: str) -> None:
        assert QueuePosition(ahead, 0).ordinal == place

    def test_the_page_says_the_place_and_the_reason(self, as_alice: Client, agent: Agent) -> None:
        Agent.objects.filter(pk=agent.pk).update(max_concurrent_runs=1)
        RunFactory(agent=agent, queued_at=timezone.now() - timedelta(minutes=3))
        run = RunFactory(agent=agent)
        running(agent)

        text = " ".join(shown(as_alice, run).text.split())

        assert "Queued, 2nd in lineAna works on one run at a time. 1 run in progress." in text
        assert "Nothing is charged while it waits." in text

    def test_a_full_plan_is_the_reason(self, agent: Agent, team: Team) -> None:
        entitlements.assign_plan(team=team, actor=None, plan="free")
        limit = entitlements.running_limits()["free"]
        for _ in range(limit):
            running(agent)

        reason = queue_position(RunFactory(agent=agent)).reason

        assert reason == f"All {limit} runs that your plan allows at once are in progress."

    def test_a_shared_page_tells_nothing_of_other_runs(self, agent: Agent, alice: User) -> None:
        RunFactory(agent=agent, queued_at=timezone.now() - timedelta(minutes=3))
        run = RunFactory(agent=agent)
        token = shares.share_run(run=run, actor=alice)[1]

        text = Page(Client().get(f"/share/{token}/").text).text

        assert "Queued" in text
        assert "in line" not in text
        assert "in progress" not in text


class TestOneClock:
    def test_working_time_counts_what_is_settled_and_what_goes_on(self, agent: Agent) -> None:
        run = running(agent, active_s=60)
        event_log.append(run, events.Log(text="one"))
        run.events.update(at=timezone.now() - timedelta(seconds=30))
        run.refresh_from_db()

        page = RunPage(run, may_act=True)

        assert page.worked_s == pytest.approx(90, abs=5)
        assert page.waited_s == pytest.approx(1710, abs=5)

    def test_header_budget_and_summary_say_the_same(self, as_alice: Client, agent: Agent) -> None:
        run = finished(agent, active_s=125, output="Done.")

        page = shown(as_alice, run)

        assert page.text.count("2 m 05 s") == 4  # header, banner, summary, budget
        assert "33 m" not in page.text.partition("What it did")[0]
        assert "data-elapsed" not in str(page.tags)

    def test_a_run_that_waits_for_a_person_does_not_count_on(self, as_alice: Client, agent: Agent) -> None:
        asked = HumanRequestFactory(run__agent=agent, run__active_s=65)

        page = shown(as_alice, asked.run)

        assert "1 m 05 s" in page.text
        assert "data-elapsed" not in str(page.tags)


class TestResult:
    def test_a_report_comes_first_then_tables_then_pictures_once(self, as_alice: Client, agent: Agent) -> None:
        run = finished(agent, output="41 % of refunds")
        files = deliver(run, "appendix.md", "chart.png", "chart.svg", "data.csv", "raw.bin", "report.md")

        page = shown(as_alice, run)

        opened = [attributes["data-document"] for _, attributes in page.tags if "data-document" in attributes]
        order = ["report.md", "appendix.md", "data.csv"]
        assert opened == [f"artifacts/{files[path].pk}/?v=1" for path in order]
        pictures = [attributes for _, attributes in page.tags if "data-picture" in attributes]
        assert [picture["data-picture"] for picture in pictures] == [str(files["chart.svg"].pk)]
        assert "hidden" in pictures[0]  # until the report is read: it may show the picture itself

    def test_pictures_alone_are_shown_and_not_twice(self, as_alice: Client, agent: Agent) -> None:
        run = finished(agent, output="![Refunds](./chart.png)")
        deliver(run, "chart.png", "chart.svg", "map.png")

        pictures = [tag for _, tag in shown(as_alice, run).tags if "data-picture" in tag]

        assert [tag["data-picture"] for tag in pictures] == [str(run.artifacts.get(path="map.png").pk)]
        assert "hidden" not in pictures[0]

    @pytest.mark.parametrize(
        ("status", "tab"), [("needs_review", "result"), ("succeeded", "result"), ("rejected", "result")]
    )
    def test_a_run_that_has_done_its_part_opens_on_the_result(
        self, as_alice: Client, agent: Agent, status: str, tab: str
    ) -> None:
        page = shown(as_alice, finished(agent, status, output="41 % of refunds"))

        assert [one["id"] for one in page.all("button") if one.get("aria-selected") == "true"] == [tab]

    def test_what_it_did_is_counted(self, as_alice: Client, agent: Agent) -> None:
        run = finished(agent, active_s=125, turns=4, cost_usd=Decimal("0.38"), output="Done.")
        for index, (tool, status) in enumerate(
            [("query_table", "done"), ("query_table", "failed"), ("write_file", "done")]
        ):
            Step.objects.create(run=run, index=index + 1, kind="tool", tool=tool, status=status)
        Step.objects.create(run=run, index=9, kind="tool", tool="report_progress", status="done")
        HumanRequest.objects.create(team=run.team, run=run, kind="question", title="Which?", status="answered")
        HumanRequest.objects.create(team=run.team, run=run, kind="approval", title="May I?", status="expired")

        said = " ".join(shown(as_alice, run).text.partition("What it did")[2].partition("Plan")[0].split())

        assert said.startswith("Worked2 m 05 s Waited32 m 55 s Model calls4 Tool calls3 (1 failed)")
        assert "query_table 2write_file 1 Questions answered1 Cost$0.38 of $1.00" in said
        assert "Approvals" not in said
        assert "View receipt" in said

    def test_the_state_brings_it_when_the_run_ends(self, as_alice: Client, agent: Agent) -> None:
        live, over = running(agent), finished(agent, output="Done.")

        assert "What it did" not in shown(as_alice, live).text
        assert "What it did" not in shown(as_alice, live, "state/").text
        assert "What it did" in shown(as_alice, over, "state/").text

    def test_the_run_before_and_the_next_one_are_a_click_away(self, as_alice: Client, agent: Agent) -> None:
        older = finished(agent, cost_usd=Decimal("0.20"))
        run = finished(agent, prompt="Count & compare", output="Done.")

        links = [link.get("href", "") for link in shown(as_alice, run).all("a")]

        assert f"/t/acme/runs/compare/?left={older.pk}&right={run.pk}" in links
        assert f"/t/acme/runs/new/?agent={agent.pk}&prompt=Count%20%26%20compare" in links


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [
        ("waiting", {"waiting_kind": "question"}, "wait"),
        ("waiting", {"waiting_kind": "timer", "start_at": timezone.now()}, "now"),
        ("succeeded", {"finished_at": timezone.now()}, "done"),
    ],
)
def test_the_present_step_is_amber_only_while_a_person_is_needed(
    agent: Agent, status: str, more: dict[str, Any], state: str
) -> None:
    run = RunFactory(agent=agent, status=status, **more)
    event_log.append(run, events.Progress(label="Counting", done=2, total=3))

    segs = str(RunPage(run, may_act=True).segs)

    assert re.findall(r'class="(done|now|wait|todo)"', segs) == ["done", state, "todo"]
