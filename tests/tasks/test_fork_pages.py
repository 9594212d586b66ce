"""Forks and replays in the browser: forms, refusals, and links to the original run."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role, User
from agents.models import Agent, AgentStatus
from billing.models import Price
from tasks import event_log, events
from tasks.models import Run, RunKind, RunStatus, Step, StepKind
from tests.factories import AgentFactory, MembershipFactory, RunFactory
from tests.html import HOSTILE, Page

pytestmark = pytest.mark.django_db
CALL = {"type": "tool_use", "id": "c1", "name": "write_file", "input": {"path": "a.txt"}}


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def run(agent: Agent) -> Run:
    """Run with a model call, its tool call and the final answer. Events 1, 2 and 3 settle them."""
    now = timezone.now()
    run = RunFactory(agent=agent, status=RunStatus.SUCCEEDED, started_at=now, finished_at=now, output="Done.")
    keep(run, 1, StepKind.MODEL, {"content": [CALL], "stop": "tool_use"})
    keep(run, 2, StepKind.TOOL, {"content": "Wrote a.txt."}, call_id="c1", tool="write_file")
    keep(run, 3, StepKind.MODEL, {"content": [{"type": "text", "text": "Done."}], "stop": "end_turn"})
    finished: dict[str, Any] = {"summary": "Wrote a.txt", "is_error": False, "duration_s": 0.1}
    event_log.append(
        run,
        events.Message(step=1, role="agent", text="I write."),
        events.ToolStarted(step=2, call_id="c1", tool="write_file", title="Write a file", headline="", arguments={}),
        events.ToolFinished(step=2, call_id="c1", tool="write_file", **finished),
        events.Message(step=3, role="agent", text="Done."),
    )
    return run


def keep(run: Run, index: int, kind: str, result: dict[str, Any], **more: Any) -> Step:
    request = {"path": "a.txt"} if kind == StepKind.TOOL else {}
    return Step.objects.create(run=run, index=index, kind=kind, status="done", request=request, result=result, **more)


def url(name: str, run: Run, query: str = "") -> str:
    return reverse(f"tasks:{name}", args=["acme", run.pk]) + query


def made_from(run: Run) -> Run:
    return Run.objects.get(forked_from=run)


# ---- Fork


def test_each_settled_step_can_be_forked_from(as_alice: Client, run: Run) -> None:
    page = Page(as_alice.get(url("run_fork", run)).text)

    assert [option["value"] for option in page.all("option")] == ["0", "1", "3", "4"]
    assert "Nothing is taken over but the input files and the limits." in page.text
    assert "Look at the numbers." in page.text


@pytest.mark.parametrize(
    ("seq", "fields", "said"),
    [
        (1, {"reuse_tools"}, "waits for the result of a tool"),
        (3, {"tool_result", "prompt", "reuse_tools"}, "2 steps are taken over as they were"),
        (4, {"prompt", "reuse_tools"}, "3 steps are taken over as they were"),
        (2, {"reuse_tools"}, "1 step is taken over as it was"),
        (99, {"prompt", "reuse_tools"}, "3 steps are taken over as they were"),
    ],
)
def test_the_form_offers_what_can_be_changed_there(
    as_alice: Client, run: Run, seq: int, fields: set[str], said: str
) -> None:
    page = Page(as_alice.get(url("run_fork", run, f"?from_seq={seq}")).text)

    names = {tag["name"] for kind in ("textarea", "input", "select") for tag in page.all(kind) if "name" in tag}
    assert names - {"from_seq", "csrfmiddlewaretoken", "form_key"} == fields
    assert said in page.text


def test_a_fork_ends_on_the_new_run_which_says_where_it_came_from(as_alice: Client, run: Run) -> None:
    given = {"from_seq": 3, "tool_result": "The disk is full.", "prompt": "", "reuse_tools": "on"}

    answer = as_alice.post(url("run_fork", run), given)

    fork = made_from(run)
    assert answer["Location"] == url("run_detail", fork)
    assert (fork.status, fork.forked_at_step, fork.recordings.count()) == (RunStatus.QUEUED, 2, 0)
    assert list(fork.steps.order_by("index").values_list("result__content", flat=True))[1] == "The disk is full."
    page = Page(as_alice.get(url("run_detail", fork)).text)
    assert "A fork of" in page.text
    assert "from step 2 on" in page.text
    compare = f"{reverse('tasks:run_compare', args=['acme'])}?left={run.pk}&right={fork.pk}"
    assert compare in [link["href"] for link in page.all("a")]


def test_what_is_left_as_it_was_is_not_a_change(as_alice: Client, run: Run) -> None:
    as_alice.post(url("run_fork", run), {"from_seq": 3, "tool_result": "Wrote a.txt."})

    kept = made_from(run).steps.get(index=2)
    assert kept.result == {"content": "Wrote a.txt."}


def test_a_fork_from_the_beginning_takes_another_prompt(as_alice: Client, run: Run) -> None:
    as_alice.post(url("run_fork", run), {"from_seq": 0, "prompt": "Look\r\nagain.", "reuse_tools": "on"})

    fork = made_from(run)
    assert (fork.prompt, fork.steps.count(), fork.recordings.count()) == ("Look\nagain.", 0, 1)
    assert "from its beginning" in as_alice.get(url("run_detail", fork)).text


def test_another_model_can_be_chosen_where_there_is_one(as_alice: Client, team) -> None:
    agent = AgentFactory(team=team, version__runtime="anthropic", version__model="claude-haiku-4-5")
    run = RunFactory(agent=agent)
    other = Price.objects.exclude(model="claude-haiku-4-5").values_list("model", flat=True)[0]

    page = Page(as_alice.get(url("run_fork", run)).text)
    as_alice.post(url("run_fork", run), {"from_seq": 0, "model": other})

    assert "As before (claude-haiku-4-5)" in page.text
    assert made_from(run).model_override == other


def test_an_unknown_model_is_refused_at_its_field(as_alice: Client, team) -> None:
    agent = AgentFactory(team=team, version__runtime="anthropic", version__model="claude-haiku-4-5")
    run = RunFactory(agent=agent)

    answer = as_alice.post(url("run_fork", run), {"from_seq": 0, "model": "gpt"})

    assert answer.status_code == 422
    assert "id_model-error" in answer.text
    assert Run.objects.count() == 1


def test_what_the_service_refuses_is_said_on_the_form(as_alice: Client, run: Run) -> None:
    Agent.objects.update(status=AgentStatus.PAUSED)

    fork = as_alice.post(url("run_fork", run), {"from_seq": 0})
    replay = as_alice.post(url("run_replay", run))

    assert (fork.status_code, replay.status_code) == (422, 409)
    for answer in (fork, replay):
        assert "Ana is paused. Resume the agent first." in Page(answer.text).text
    assert Run.objects.count() == 1


def test_a_refusal_about_a_field_stands_at_the_field(as_alice: Client, run: Run) -> None:
    answer = as_alice.post(url("run_fork", run), {"from_seq": 0, "prompt": "x" * 100_001})

    assert answer.status_code == 422
    assert "id_prompt-error" in answer.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text_in_the_form(as_alice: Client, run: Run, text: str) -> None:
    clean = text.replace("\x00", "")
    Run.objects.update(title=clean, prompt=clean)
    Step.objects.filter(index=2).update(result={"content": clean}, tool=clean[:80])

    page = Page(as_alice.get(url("run_fork", run, "?from_seq=3")).text)

    assert page.problems() == []
    assert len(page.all("form")) == len(Page(as_alice.get(url("run_fork", run)).text).all("form"))


# ---- Replay


def test_a_replay_says_that_it_costs_nothing_and_ends_on_the_new_run(as_alice: Client, run: Run) -> None:
    asked = Page(as_alice.get(url("run_replay", run)).text)
    answer = as_alice.post(url("run_replay", run))

    replay = made_from(run)
    assert "nothing is sent, and it’s free" in asked.text
    assert (replay.kind, replay.recordings.count()) == (RunKind.REPLAY, 3)
    assert answer["Location"] == url("run_detail", replay)
    shown = Page(as_alice.get(url("run_detail", replay)).text)
    assert "A replay of" in shown.text
    Run.objects.filter(pk=replay.pk).update(status="succeeded", started_at=timezone.now(), finished_at=timezone.now())
    ended = as_alice.get(url("run_detail", replay)).text
    assert [url(name, replay) in ended for name in ("run_retry", "run_fork", "run_replay")] == [False, False, True]


def test_a_run_that_has_not_ended_is_not_replayed(as_alice: Client, run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status=RunStatus.NEEDS_REVIEW, finished_at=None)

    answer = as_alice.post(url("run_replay", run))

    assert answer.status_code == 409
    assert "The run has not ended yet" in Page(answer.text).text
    assert Run.objects.count() == 1


# ---- Who may


def test_a_viewer_may_neither_fork_nor_replay(client: Client, team, run: Run) -> None:
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)

    statuses = [
        getattr(client, method)(url(name, run)).status_code
        for name in ("run_fork", "run_replay")
        for method in ("get", "post")
    ]

    assert statuses == [403] * 4
    assert Run.objects.count() == 1
    shown = client.get(url("run_detail", run)).text + client.get(url("run_timeline", run)).text
    assert "fork/" not in shown
    assert "replay/" not in shown


def test_another_team_finds_neither(client: Client, charlie: User, run: Run) -> None:
    client.force_login(charlie)

    assert [client.post(url(name, run)).status_code for name in ("run_fork", "run_replay")] == [404, 404]
    assert Run.objects.count() == 1


def test_the_run_leads_to_fork_and_replay(as_alice: Client, run: Run) -> None:
    page = Page(as_alice.get(url("run_detail", run)).text)
    timeline = Page(as_alice.get(url("run_timeline", run)).text)

    links = [link["href"] for link in page.all("a")]
    assert url("run_fork", run) in links
    assert url("run_replay", run) in links
    assert [link["href"] for link in timeline.all("a")] == [url("run_fork", run, "?from_seq=3")]
