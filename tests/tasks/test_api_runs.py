"""Runs in the API, in the exact shapes of the contract. Attack cases 1, 2, 3, 5, 10, 39."""

from __future__ import annotations

import io
import tarfile
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, Role, Team, User
from agents.models import Agent
from billing.models import UsageRecord
from storage.models import StoredFile
from storage.services import save_file
from tasks import event_log
from tasks.call_digest import digest
from tasks.events import ModelFinished
from tasks.models import Artifact, HumanRequest, RequestStatus, Run, RunInput, RunStatus, Step
from tasks.services import runs
from tests.calling import Api, api_of
from tests.factories import AgentFactory, RunFactory, TaskFactory, start_run

RUNS = "/api/v1/runs/"
SAME = {"X_Request_Id": "same-request-id"}


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


@pytest.fixture
def rita(team: Team) -> Agent:
    return AgentFactory(team=team, name="Rita")


@pytest.fixture
def run(team: Team, alice: User, rita: Agent) -> Run:
    return start_run(team=team, actor=alice, agent=rita, prompt="Look at the numbers.")


def ask(run: Run, kind: str = "approval", **given: Any) -> HumanRequest:
    """Make the run wait for a person. Return the request."""
    waits = RunStatus.NEEDS_REVIEW if kind == "review" else RunStatus.WAITING
    run.move_to(RunStatus.RUNNING, lease_expires_at=timezone.now() + timedelta(minutes=1))
    run.move_to(waits, waiting_kind="" if kind == "review" else kind)
    return HumanRequest.objects.create(
        run=run,
        team=run.team,
        kind=kind,
        title="Send 3 rows",
        **({"digest": "sha256:1", "tool": "email_report"} | given),
    )


def stored(team: Team, name: str = "a.csv") -> StoredFile:
    return save_file(team_id=team.pk, content=b"a;b\n1;2\n", name=name)


def test_what_starting_answers_is_what_reading_answers(api: Api, team: Team, rita: Agent) -> None:
    body = {"agent": str(rita.pk), "prompt": "Go", "attachments": [str(stored(team).pk)], "metadata": {"a": [1]}}

    started = api.send("POST", RUNS, body | {"limits": {"max_cost_usd": "0.5"}}).json()
    of_task = api.send("POST", f"/api/v1/tasks/{TaskFactory(team=team).pk}/runs/", {}).json()

    assert started == api.get(f"{RUNS}{started['id']}/").json()
    assert of_task == api.get(f"{RUNS}{of_task['id']}/").json()
    assert (started["last_seq"], of_task["last_seq"]) == (2, 2)


def test_starting_a_run_takes_few_round_trips(
    api: Api, rita: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    body = {"agent": str(rita.pk), "prompt": "Go"}
    api.send("POST", RUNS, body)

    # key; agent with version; run with events and audit entry, which is a transaction of its own
    with django_assert_num_queries(3):
        run = api.send("POST", RUNS, body).json()
    # key; run with all that it shows
    with django_assert_num_queries(2):
        api.get(f"{RUNS}{run['id']}/")


def test_an_idempotency_key_costs_a_transaction_and_three_statements(
    api: Api, rita: Agent, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    body = {"agent": str(rita.pk), "prompt": "Go"}
    api.send("POST", RUNS, body)

    with django_assert_num_queries(3 + 2 + 3):
        api.send("POST", RUNS, body, Idempotency_Key="k")


def test_a_run_of_an_agent_is_started_shown_and_listed_in_one_shape(api: Api, team: Team, rita: Agent) -> None:
    file = stored(team)
    body = {
        "agent": str(rita.pk),
        "prompt": "What drives refunds?",
        "attachments": [str(file.pk)],
        "limits": {"max_cost_usd": "0.50", "max_turns": 12},
        "metadata": {"ticket": "T-1"},
        "review": True,
        "required_artifacts": ["report.md"],
        "priority": 3,
    }

    made = api.send("POST", RUNS, body)

    shown = made.json()
    assert made.status_code == 201
    assert shown == {
        "id": shown["id"],
        "kind": "direct",
        "status": "queued",
        "title": "What drives refunds?",
        "agent": {"id": str(rita.pk), "name": "Rita", "version": 1},
        "task": None,
        "conversation": None,
        "model": "demo-1",
        "badge": "Demo model",
        "prompt": "What drives refunds?",
        "variables": {},
        "attachments": [{"id": str(file.pk), "name": "a.csv", "size": 8}],
        "review": True,
        "output_schema": None,
        "required_artifacts": ["report.md"],
        "output": None,
        "error": None,
        "attempt": 1,
        "waiting_on": None,
        "progress": None,
        "usage": {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_read_tokens": 0,
            "cache_write_tokens": 0,
            "cost_usd": "0.000000",
        },
        "limits": {"max_cost_usd": "0.50", "max_turns": 12, "timeout_s": 1800},
        "priority": 3,
        "created_by": "Alice",
        "created_at": shown["created_at"],
        "start_at": None,
        "started_at": None,
        "finished_at": None,
        "active_s": 0.0,
        "last_seq": 2,
        "forked_from": None,
        "retry_of": None,
        "metadata": {"ticket": "T-1"},
    }
    assert api.get(f"{RUNS}{shown['id']}/").json() == shown
    assert api.get(RUNS).json() == {"results": [shown], "next": None, "previous": None}


@pytest.mark.promise("G10")
def test_a_start_is_made_once_for_one_key(api: Api, rita: Agent) -> None:
    body = {"agent": str(rita.pk), "prompt": "Look."}

    first = api.send("POST", RUNS, body, Idempotency_Key="k")
    again = api.send("POST", RUNS, body, Idempotency_Key="k")

    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (201, "true", first.json())
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agent": None}, "agent"),
        ({"agent": "1"}, "agent"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 100_001}, "prompt"),
        ({"attachments": [str(uuid4())]}, "attachments[0]"),
        ({"limits": {"max_turns": 0}}, "limits.max_turns"),
        ({"limits": {"team": 1}}, "limits.team"),
        ({"output_schema": {"$ref": "http://127.0.0.1/"}}, "output_schema"),
        ({"output_schema": []}, "output_schema"),
        ({"required_artifacts": ["../x"]}, "required_artifacts[0]"),
        ({"required_artifacts": ["/etc/passwd"]}, "required_artifacts[0]"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": "x" * 10_001}}, "metadata"),
        ({"priority": 99}, "priority"),
        ({"variables": {"a": "b"}}, "variables"),
        ({"start_at": "tomorrow"}, "start_at"),
        ({"team_id": "x"}, "team_id"),
        ({"status": "succeeded"}, "status"),
        ({"webhook_url": "http://169.254.169.254/"}, "webhook_url"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_at_its_field(api: Api, rita: Agent, change: Any, field: str) -> None:
    answer = api.send("POST", RUNS, {"agent": str(rita.pk), "prompt": "Look."} | change)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Run.objects.count() == 0


@pytest.mark.attack(3)
@pytest.mark.promise("G16")
def test_ids_of_another_team_are_wrong_and_nothing_is_read(api: Api, other_team: Team, rita: Agent) -> None:
    theirs, file, task = AgentFactory(team=other_team), stored(other_team), TaskFactory(agent__team=other_team)

    for body, field in [
        ({"agent": str(theirs.pk), "prompt": "Look."}, "agent"),
        ({"task": str(task.pk)}, "task"),
        ({"agent": str(rita.pk), "prompt": "Look.", "attachments": [str(file.pk)]}, "attachments[0]"),
    ]:
        answer = api.send("POST", RUNS, body)
        unknown = api.send(
            "POST", RUNS, {**body, field.split("[")[0]: [str(uuid4())] if "[" in field else str(uuid4())}
        )
        assert answer.status_code == 422
        assert answer.json()["errors"] == unknown.json()["errors"]
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Run.objects.count() == 0


def test_a_run_starts_later(api: Api, rita: Agent) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()

    shown = api.send("POST", RUNS, {"agent": str(rita.pk), "prompt": "Look.", "start_at": at}).json()

    assert (shown["status"], shown["start_at"][:16]) == ("scheduled", at[:16])


def test_a_scheduled_run_starts_before_its_time_once(api: Api, rita: Agent) -> None:
    at = (timezone.now() + timedelta(hours=1)).isoformat()
    run = api.send("POST", RUNS, {"agent": str(rita.pk), "prompt": "Look.", "start_at": at}).json()["id"]

    started, again = (api.send("POST", f"{RUNS}{run}/start/") for _ in range(2))

    assert (started.status_code, started.json()["status"], started.json()["start_at"]) == (200, "queued", None)
    assert (again.status_code, again.json()["detail"]) == (409, "The run has already started.")


def test_runs_are_filtered(api: Api, team: Team, run: Run) -> None:
    other = RunFactory(team=team, kind="task", status="scheduled")
    path = f"{RUNS}?"

    def ids(query: str) -> set[str]:
        answer = api.get(f"{path}{query}")
        assert answer.status_code == 200
        return {row["id"] for row in answer.json()["results"]}

    assert ids("") == {str(run.pk), str(other.pk)}
    assert ids("status=queued") == {str(run.pk)}
    assert ids("status=queued,scheduled") == {str(run.pk), str(other.pk)}
    assert ids(f"agent={other.agent_id}") == {str(other.pk)}
    assert ids("kind=direct") == {str(run.pk)}
    assert ids(f"since={(timezone.now() + timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}") == set()
    assert ids("since=2026-01-01T00:00:00%2B20:30") == {str(run.pk), str(other.pk)}  # an offset that PostgreSQL refuses
    for query in ("status=nope", "status=queued,nope", "agent=1", "kind=x", "since=x", "team=1", "status__in=queued"):
        answer = api.get(f"{path}{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter"), query


def test_a_list_costs_the_same_whatever_its_length(
    api: Api, team: Team, run: Run, django_assert_num_queries: Any
) -> None:
    ask(run)
    api.get(RUNS)
    for _ in range(2):
        with django_assert_num_queries(4):
            api.get(RUNS)
        for _ in range(6):
            more = RunFactory(team=team)
            RunInput.objects.create(run=more, file=stored(team), name="a.csv")
            ask(more)


def test_a_run_is_cancelled_once_and_repeated(api: Api, run: Run) -> None:
    path = f"{RUNS}{run.pk}/"

    early = api.send("POST", f"{path}retry/")
    cancelled = api.send("POST", f"{path}cancel/", {"reason": "Wrong file."})
    twice = api.send("POST", f"{path}cancel/")
    again = api.send("POST", f"{path}retry/")

    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert twice.json()["status"] == "cancelled"
    assert (again.status_code, again.json()["retry_of"], again.json()["attempt"]) == (201, str(run.pk), 2)
    assert Run.objects.filter(status="queued").count() == 1


@pytest.mark.promise("G21")
def test_approving_with_other_arguments_than_the_call_has_is_refused(api: Api, run: Run) -> None:
    """Send edited arguments with the decision "approve": the original call must not be allowed by mistake."""
    call = {"tool": "write_file", "arguments": {"path": "a.txt", "content": "One"}}
    asked = ask(run, **call, digest=digest(**call))
    path = f"{RUNS}{run.pk}/requests/{asked.pk}/answer/"
    approve = {"decision": "approve", "digest": asked.digest}

    refused = api.send("POST", path, approve | {"arguments": {"path": "b.txt", "content": "One"}})
    asked.refresh_from_db()
    still = (asked.status, asked.answer)
    allowed = api.send("POST", path, approve | {"arguments": call["arguments"]})

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "arguments")
    assert "decide edit" in refused.json()["detail"]
    assert still == ("open", None)
    assert (allowed.status_code, allowed.json()["answer"]) == (200, {"decision": "approve", "comment": ""})


@pytest.mark.promise("G13")
def test_an_approval_is_answered_once_with_what_was_shown(api: Api, run: Run) -> None:
    asked = ask(run, arguments={"rows": 3})
    path = f"{RUNS}{run.pk}/requests/{asked.pk}/"

    waiting = api.get(f"{RUNS}{run.pk}/").json()["waiting_on"]
    assert waiting.pop("retry_at") is None
    assert waiting == api.get(path).json()
    assert waiting == {
        "id": str(asked.pk),
        "run": str(run.pk),
        "kind": "approval",
        "status": "open",
        "title": "Send 3 rows",
        "prompt": "",
        "choices": None,
        "schema": None,
        "tool": "email_report",
        "arguments": {"rows": 3},
        "digest": "sha256:1",
        "asked_at": waiting["asked_at"],
        "expires_at": None,
        "answered_at": None,
        "answered_by": None,
        "answer": None,
    }
    inbox = api.get("/api/v1/inbox/").json()["results"]
    assert inbox == [
        waiting
        | {
            "run_title": "Look at the numbers.",
            "agent": {"id": str(run.agent_id), "name": "Rita", "version": 1},
            "badge": "Demo model",
        }
    ]

    stale = api.send("POST", f"{path}answer/", {"decision": "approve", "digest": "sha256:2"})
    wrong = api.send("POST", f"{path}answer/", {"decision": "maybe", "digest": "sha256:1"})
    right = api.send("POST", f"{path}answer/", {"decision": "approve", "digest": "sha256:1", "comment": "Go."})
    late = api.send("POST", f"{path}answer/", {"decision": "reject", "digest": "sha256:1"})

    assert (stale.status_code, wrong.status_code, late.status_code) == (409, 422, 409)
    assert (right.status_code, right.json()["status"], right.json()["answered_by"]) == (200, "answered", "Alice")
    assert right.json()["answer"] == {"decision": "approve", "comment": "Go."}
    assert api.get(f"{RUNS}{run.pk}/").json()["status"] == "queued"
    assert api.get("/api/v1/inbox/").json()["results"] == []


def test_a_key_without_the_admin_scope_raises_a_run_up_to_the_cap_of_its_agent(
    api: Api, team: Team, alice: User, run: Run
) -> None:
    asked = ask(run, "budget", arguments={"scope": "run", "needed_usd": "0.50"})
    path = f"{RUNS}{run.pk}/requests/{asked.pk}/answer/"
    more = {"decision": "raise", "max_cost_usd": str(run.version.max_cost_usd + 1)}

    refused = api_of(alice, team, "runs:write").send("POST", path, more)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "An owner or admin of the team can allow more." in refused.json()["detail"]
    run.refresh_from_db()
    assert (run.status, run.max_cost_usd) == ("waiting", run.version.max_cost_usd)
    assert api.send("POST", path, more).status_code == 200
    run.refresh_from_db()
    assert (run.status, run.max_cost_usd) == ("queued", run.version.max_cost_usd + 1)


@pytest.mark.attack(2)
def test_an_approval_of_one_run_is_not_answered_through_another(api: Api, team: Team, run: Run) -> None:
    asked, other = ask(run), RunFactory(team=team)

    answer = api.send(
        "POST", f"{RUNS}{other.pk}/requests/{asked.pk}/answer/", {"decision": "approve", "digest": "sha256:1"}
    )

    assert answer.status_code == 404
    asked.refresh_from_db()
    assert asked.status == RequestStatus.OPEN


def test_a_question_takes_a_value_and_nothing_else(api: Api, run: Run) -> None:
    asked = ask(run, kind="question", digest="", tool="ask_human", schema={"type": "integer"})
    path = f"{RUNS}{run.pk}/requests/{asked.pk}/answer/"

    assert api.send("POST", path, {}).status_code == 422
    assert api.send("POST", path, {"value": "many"}).status_code == 422
    assert api.send("POST", path, {"value": 3, "run": "x"}).status_code == 422
    assert api.send("POST", path, {"value": 3}).json()["answer"] == {"value": 3}


@pytest.mark.parametrize(
    ("decision", "status"), [("approve", "succeeded"), ("reject", "rejected"), ("revise", "queued")]
)
def test_a_result_is_reviewed(api: Api, run: Run, decision: str, status: str) -> None:
    ask(run, kind="review", digest="", tool="")
    path = f"{RUNS}{run.pk}/review/"

    assert api.send("POST", path, {"decision": "revise"}).status_code == 422
    answer = api.send("POST", path, {"decision": decision, "comment": "Shorter."})

    assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert api.send("POST", path, {"decision": "approve"}).status_code == 409


def test_a_timer_is_something_that_a_run_waits_on(api: Api, run: Run) -> None:
    at = timezone.now() + timedelta(minutes=5)
    run.move_to(RunStatus.RUNNING, lease_expires_at=at)
    run.move_to(RunStatus.WAITING, waiting_kind="timer", start_at=at)

    waiting = api.get(f"{RUNS}{run.pk}/").json()["waiting_on"]

    assert (waiting["id"], waiting["kind"], waiting["expires_at"][:19]) == (None, "timer", at.isoformat()[:19])


def test_a_failed_run_says_why(api: Api, run: Run) -> None:
    run.move_to(RunStatus.FAILED, error_code="bad_output", error_detail="report.md is missing.")

    shown = api.get(f"{RUNS}{run.pk}/").json()

    assert shown["error"] == {"code": "bad_output", "detail": "report.md is missing."}
    assert shown["finished_at"] is not None


def test_events_are_read_from_any_point(api: Api, run: Run) -> None:
    runs.cancel_run(run=run, actor=None)
    path = f"{RUNS}{run.pk}/events/"

    every = api.get(path).json()
    after = api.get(f"{path}?after=1&limit=1").json()
    ends = api.get(f"{path}?types=run.finished,run.created").json()

    assert [(event["seq"], event["type"]) for event in every["results"]] == [
        (1, "run.created"),
        (2, "run.queued"),
        (3, "run.finished"),
    ]
    assert (every["last_seq"], every["run_status"]) == (3, "cancelled")
    assert set(every["results"][0]) == {"run", "seq", "type", "at", "data"}
    assert every["results"][0]["data"]["agent"] == "Rita"
    assert [event["seq"] for event in after["results"]] == [2]
    assert [event["seq"] for event in ends["results"]] == [1, 3]
    for query in ("after=-1", "after=x", "limit=0", "limit=1001", "types=nope", "seq=1", "after=99999999999"):
        assert api.get(f"{path}?{query}").status_code == 400, query


@pytest.mark.parametrize("way", ["app", "store"])
def test_what_a_run_delivered_is_listed_and_downloaded(api: Api, team: Team, run: Run, settings: Any, way: str) -> None:
    settings.DOWNLOADS = way
    file = stored(team, "report.md")
    artifact = Artifact.objects.create(team=team, run=run, path="out/report.md", file=file)

    listed = api.get(f"{RUNS}{run.pk}/artifacts/").json()["results"]
    one = api.get(f"/api/v1/artifacts/{artifact.pk}/").json()
    download = api.get(f"/api/v1/artifacts/{artifact.pk}/download/")

    assert listed == [one]
    assert one == {
        "id": str(artifact.pk),
        "run": str(run.pk),
        "path": "out/report.md",
        "name": "report.md",
        "size": 8,
        "sha256": file.sha256,
        "content_type": file.content_type,
        "version": 1,
        "badge": "Demo model",
        "created_at": one["created_at"],
        "updated_at": one["updated_at"],
    }
    if way == "app":
        assert (download.status_code, download["Content-Length"]) == (200, "8")
        assert download["Content-Disposition"].startswith('attachment; filename="report.md"')
    else:
        assert download.status_code == 302
        assert file.key in download["Location"]
        assert "X-Amz-Expires=300" in download["Location"]


def test_a_receipt_adds_up(api: Api, team: Team, run: Run) -> None:
    for n, (outcome, cost) in enumerate([("charged", "0.012345"), ("unknown", "1"), ("charged", "0.000005")]):
        UsageRecord.objects.create(
            team=team, key=f"k{n}", kind="model", outcome=outcome, run_id=run.pk, step_key=f"s{n}", cost_usd=cost
        )

    receipt = api.get(f"{RUNS}{run.pk}/receipt/").json()

    assert (receipt["run"], receipt["total_usd"], receipt["badge"]) == (str(run.pk), "0.012350", "Demo model")
    assert [(line["outcome"], line["cost_usd"]) for line in receipt["lines"]] == [
        ("charged", "0.012345"),
        ("unknown", "1.000000"),
        ("charged", "0.000005"),
    ]


def test_a_run_is_tried_again_from_its_middle_and_played_again(api: Api, run: Run) -> None:
    Step.objects.create(
        run=run,
        index=1,
        kind="model",
        status="done",
        result={"content": [{"type": "text", "text": "Well."}], "stop": "end_turn"},
    )
    finished = dict.fromkeys(("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    told = ModelFinished(step=1, model="demo-1", stop="end_turn", cost_usd="0", duration_s=1, **finished)
    event_log.append(run, told)
    path = f"{RUNS}{run.pk}/"
    live = api.send("POST", f"{path}replay/")
    run.move_to(RunStatus.CANCELLED)

    forked = api.send("POST", f"{path}fork/", {"from_seq": run.last_seq, "prompt": "Now the costs."})
    replayed = api.send("POST", f"{path}replay/")
    early = api.send("POST", f"{path}fork/", {"from_seq": 1})
    model = api.send("POST", f"{path}fork/", {"model": "claude-0"})

    assert (forked.status_code, forked.json()["forked_from"]) == (201, str(run.pk))
    assert (replayed.status_code, replayed.json()["kind"]) == (201, "replay")
    assert (live.status_code, live.json()["code"]) == (409, "conflict")
    assert live.json()["detail"].startswith("The run has not ended yet")
    assert [(a.status_code, a.json()["errors"][0]["field"]) for a in (early, model)] == [
        (422, "from_seq"),
        (422, "model"),
    ]
    assert Run.objects.count() == 3


def test_a_link_to_a_run_is_made_shown_once_and_revoked(api: Api, run: Run) -> None:
    path = f"{RUNS}{run.pk}/shares/"

    made = api.send("POST", path, Idempotency_Key="k")
    again = api.send("POST", path, Idempotency_Key="k")
    address = made.json()["url"].removeprefix("http://127.0.0.1:8000")
    listed = api.get(path).json()["results"]

    assert (made.status_code, again.json()) == (201, made.json() | {"url": None})
    assert "url" not in listed[0]
    assert listed[0]["token_hint"] == address.rstrip("/")[-4:]
    assert Client().get(address).status_code == 200
    assert api.delete(f"{path}{made.json()['id']}/").status_code == 204
    assert Client().get(address).status_code == 404
    assert api.get(path).json()["results"][0]["revoked_at"] is not None


def routes(run: Run) -> list[tuple[str, str, Any]]:
    """Return method, path and body of every route under a run."""
    return [
        ("GET", "", None),
        ("POST", "cancel/", None),
        ("POST", "start/", None),
        ("POST", "retry/", None),
        ("POST", "review/", {"decision": "approve"}),
        ("POST", "fork/", {}),
        ("POST", "replay/", None),
        ("GET", "shares/", None),
        ("POST", "shares/", None),
        ("GET", "receipt/", None),
        ("GET", f"compare/?with={run.pk}", None),
        ("GET", "events/", None),
        ("GET", "requests/", None),
        ("GET", "artifacts/", None),
    ]


@pytest.mark.promise("G16")
def test_an_outsider_meets_nothing(team: Team, other_team: Team, charlie: User, run: Run) -> None:
    asked = ask(run)
    artifact = Artifact.objects.create(team=team, run=run, path="report.md", file=stored(team))
    mine = RunFactory(team=other_team)
    api = api_of(charlie, other_team)
    seen = Run.objects.values().get(pk=run.pk)

    for method, route, body in routes(run):
        theirs = api.send(method, f"{RUNS}{run.pk}/{route}", body, **SAME)
        unknown = api.send(method, f"{RUNS}{uuid4()}/{route}", body, **SAME)
        assert (theirs.status_code, theirs.content) == (404, unknown.content), route
    for path in (f"{RUNS}{run.pk}/requests/{asked.pk}/", f"{RUNS}{mine.pk}/requests/{asked.pk}/"):
        assert api.get(path).status_code == 404
        assert api.send("POST", f"{path}answer/", {"decision": "approve", "digest": "sha256:1"}).status_code == 404
    for route in ("", "download/"):
        assert api.get(f"/api/v1/artifacts/{artifact.pk}/{route}").status_code == 404
    assert [row["id"] for row in api.get(RUNS).json()["results"]] == [str(mine.pk)]
    assert api.get("/api/v1/inbox/").json()["results"] == []

    assert Run.objects.values().get(pk=run.pk) == seen
    asked.refresh_from_db()
    assert asked.status == RequestStatus.OPEN


@pytest.mark.attack(5)
def test_a_viewer_looks_and_touches_nothing(team: Team, bob: User, run: Run) -> None:
    asked = ask(run)
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    api = api_of(bob, team)

    for method, route, body in [
        *routes(run),
        ("POST", f"requests/{asked.pk}/answer/", {"decision": "approve", "digest": "sha256:1"}),
    ]:
        answer = api.send(method, f"{RUNS}{run.pk}/{route}", body)
        assert answer.status_code == (200 if method == "GET" else 403), route
    assert api.send("POST", RUNS, {"agent": str(run.agent_id), "prompt": "Look."}).status_code == 403
    asked.refresh_from_db()
    assert (asked.status, Run.objects.count()) == (RequestStatus.OPEN, 1)


def test_a_start_beyond_what_a_calendar_holds_is_refused(api: Api, rita: Agent) -> None:
    body = {"agent": str(rita.pk), "prompt": "Go", "start_at": "9999-12-31T23:59:59Z"}

    refused = api.send("POST", RUNS, body)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "start_at")
    assert not Run.objects.exists()


def test_a_webhook_address_is_refused_in_words_and_starts_nothing(api: Api, rita: Agent) -> None:
    body = {"agent": str(rita.pk), "prompt": "Go"}

    refused = api.send("POST", RUNS, body | {"webhook_url": "https://example.com/hook"})
    empty = api.send("POST", RUNS, body | {"webhook_url": ""})

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "webhook_url")
    assert "Outgoing webhooks are not built yet" in refused.json()["detail"]
    assert empty.status_code == 201
    assert Run.objects.count() == 1


def test_everything_about_a_run_is_one_download(api: Api, run: Run, other_team: Team) -> None:
    answer = api.get(f"{RUNS}{run.pk}/bundle/")

    archive = b"".join(answer.streaming_content)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/gzip")
    assert int(answer["Content-Length"]) == len(archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert opened.getnames() == ["run.json", "events.ndjson", "receipt.json", "verify.py", "MANIFEST.json"]
    assert api.get(f"{RUNS}{RunFactory(team=other_team).pk}/bundle/").status_code == 404


@pytest.mark.parametrize("path", ["", "receipt/", "bundle/", "events/", "compare/"])
def test_a_parameter_that_nobody_reads_is_refused_on_every_address(api: Api, run: Run, path: str) -> None:
    for query in ("status=failed", "user_id=1"):
        answer = api.get(f"{RUNS}{run.pk}/{path}?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
        assert answer.json()["errors"][0]["field"] == query.partition("=")[0]
    assert api.send("POST", f"{RUNS}{run.pk}/cancel/?force=1", {}).status_code == 400
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED
