"""Continuing a failed run after its last settled step. Restarting warns about repeated effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry, Notification, Team, User
from agents.models import Agent, AgentStatus, AgentVersion
from agents.runtimes.base import ModelError, Stop
from billing.models import UsageRecord
from tasks.engine import workspace
from tasks.models import Artifact, HumanRequest, Run, RunStatus, Step
from tasks.services import answers, forks, notices, periodic, runs
from tasks.services.continuing import continue_run, continue_runs
from tasks.services.effects import WouldRepeatEffects
from tests.calling import Api, api_of
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.django_db(transaction=True)
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]
AUTH = ModelError("The model provider refused our key.", kind="auth", retryable=False, sent=False)
LOST = ModelError("A fault.", kind="server", retryable=True, sent=True)


@pytest.fixture
def done(tool: Make) -> list[str]:
    """Keys of the effects of an effectful tool, which this fixture registers."""
    had: list[str] = []

    def act(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        had.append(ctx.idempotency_key)
        return ToolResult(content="Sent.", summary="Sent it")

    tool(act, effect=Effect.EFFECTFUL, headline=lambda arguments: "Send the report to Bob")
    return had


@pytest.fixture
def api(alice: User, team: Team) -> Api:
    return api_of(alice, team, "runs:read", "runs:write", "team:admin")


def fail(run: Run, code: str = "model_error") -> Run:
    settled(run, "failed")
    assert run.error_code == code
    return run


def send_then(*more: Any) -> list[Any]:
    """Return the script of a model that sends the report and then goes on with `more`."""
    return [[call("probe")], *more]


@pytest.mark.promise("G4", "G19")
@pytest.mark.usefixtures("driver")
def test_a_failed_run_goes_on_and_repeats_nothing(
    scripted: Play, start: Start, done: list[str], alice: User, team: Team
) -> None:
    moves: list[Any] = [AUTH, [say("Done.")]]
    runtime = scripted(*send_then([call("write_file", path="a.md", content="# A")], lambda request: moves.pop(0)))
    run = fail(start("probe", "write_file"))
    before = types(run)

    continued = continue_run(run=run, actor=alice)

    assert (continued.status, continued.finished_at, continued.error_code, continued.notified_at) == (
        "queued",
        None,
        "",
        None,
    )
    settled(run, "succeeded")
    after = types(run)
    assert after[: len(before) + 2] == [*before, "run.continued", "run.queued"]
    assert after.count("run.finished") == 2
    assert last(run, "run.continued") == {"by": "Alice", "step": 4}
    assert (len(done), len(runtime.calls), run.cost_usd) == (1, 4, Decimal("0.030000"))
    assert [a.path for a in Artifact.objects.filter(run=run)] == ["a.md"]
    assert UsageRecord.objects.filter(run_id=run.pk, outcome="charged").count() == 3
    assert AuditEntry.objects.filter(action="run.continued", actor=alice).count() == 1


@pytest.mark.usefixtures("driver", "short_waits")
def test_attempts_of_before_do_not_count_against_the_next_ones(scripted: Play, start: Start, alice: User) -> None:
    moves: list[Any] = [*[LOST] * 14, [say("Done.")]]
    scripted(lambda request: moves.pop(0))
    run = start()
    until(lambda: periodic.resume_after_outages() or Run.objects.filter(pk=run.pk, status="failed").exists())

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    until(lambda: periodic.resume_after_outages() or Run.objects.filter(pk=run.pk, status="succeeded").exists())
    assert UsageRecord.objects.filter(run_id=run.pk, outcome="unknown").count() == 14


@pytest.mark.usefixtures("driver")
def test_time_and_turns_count_anew_and_money_does_not(scripted: Play, start: Start, alice: User) -> None:
    scripted(lambda request: [call("list_files", f"toolu_{len(request.messages)}", path=str(len(request.messages)))])
    run = fail(start("list_files", limits={"max_turns": 3, "max_cost_usd": "0.08"}), "turn_limit")
    assert run.turns == 3

    continue_run(run=run, actor=alice)

    settled(run, "waiting")  # 0.03 is spent, and the next calls may need up to 0.05 each
    assert (run.waiting_kind, run.turns, run.cost_usd) == ("budget", 4, Decimal("0.040000"))
    asked = HumanRequest.objects.open().get(run=run)
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "stop"})
    fail(run, "budget_exhausted")
    continue_run(run=run, actor=alice)
    settled(run, "waiting")
    assert HumanRequest.objects.open().filter(run=run, kind="budget").exclude(pk=asked.pk).exists()


@pytest.mark.usefixtures("driver")
def test_a_run_that_used_up_its_time_has_it_once_more(scripted: Play, start: Start, alice: User) -> None:
    scripted([say("Done.")])
    run = start()
    over = {"status": "failed", "error_code": "timeout", "finished_at": timezone.now(), "active_s": 1800.0}
    settled(run)
    Step.objects.filter(run=run).delete()
    Run.objects.filter(pk=run.pk).update(**over)

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    settled(run, "succeeded")
    assert (run.active_s_before, run.active_s > 1800) == (1800.0, True)


@pytest.mark.usefixtures("driver")
def test_an_answer_that_was_cut_off_too_often_is_continued_and_not_taken_for_whole(
    scripted: Play, start: Start, alice: User
) -> None:
    moves: list[Any] = [*[(Stop.MAX_TOKENS, [say("more ")])] * 4, [say("and the end.")]]
    runtime = scripted(lambda request: moves.pop(0))
    run = fail(start())

    continue_run(run=run, actor=alice)

    settled(run, "succeeded")
    assert (run.output, len(runtime.calls)) == ("more more more more and the end.", 5)


@pytest.mark.usefixtures("driver")
def test_a_result_that_does_not_fit_is_corrected_again(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted([say("I did it.")])
    run = fail(start("write_file", required_artifacts=["report.md"]), "bad_output")
    assert len(runtime.calls) == 3

    continue_run(run=run, actor=alice)

    fail(run, "bad_output")
    assert len(runtime.calls) == 5


@pytest.mark.parametrize("stop", [Stop.REFUSAL, Stop.CONTEXT_OVERFLOW, Stop.NO_RESULT])
@pytest.mark.usefixtures("driver")
def test_what_would_end_the_same_way_is_refused(scripted: Play, start: Start, alice: User, stop: Stop) -> None:
    scripted((stop, [say("No.")]))
    run = settled(start(), "failed")

    with pytest.raises(Conflict, match=r"[Ff]ork"):
        continue_run(run=run, actor=alice)

    run.refresh_from_db()
    assert (run.status, "run.continued" in types(run)) == ("failed", False)


@pytest.mark.usefixtures("driver")
def test_only_a_run_that_failed_is_continued(scripted: Play, start: Start, alice: User) -> None:
    moves: list[Any] = [[say("Done.")], AUTH, AUTH]
    scripted(lambda request: moves.pop(0))
    finished, failed, of_paused = settled(start()), settled(start()), settled(start())
    live = start(start_at=timezone.now() + timedelta(hours=1))
    cancelled = runs.cancel_run(run=start(start_at=timezone.now() + timedelta(hours=1)), actor=alice)
    Agent.objects.filter(pk=of_paused.agent_id).update(status=AgentStatus.PAUSED)
    replay = Run.objects.get(pk=forks.replay_run(run=failed, actor=alice).pk)
    settled(replay, "failed")

    for run, why in [
        (finished, "is succeeded"),
        (live, "has not ended"),
        (cancelled, "is cancelled"),
        (of_paused, "is paused"),
        (replay, "where its records end"),
    ]:
        with pytest.raises(Conflict, match=why):
            continue_run(run=Run.objects.get(pk=run.pk), actor=alice)
    assert not AuditEntry.objects.filter(action="run.continued").exists()
    assert [[run.pk for run in some] for some in continue_runs(runs=[finished, failed], actor=alice)] == [
        [failed.pk],
        [finished.pk],
    ]


@pytest.mark.promise("G5")
@pytest.mark.usefixtures("driver")
def test_a_call_that_was_in_the_air_when_the_run_failed_is_asked_about(
    scripted: Play, start: Start, done: list[str], alice: User
) -> None:
    scripted(*send_then([say("Done.")]))
    run = settled(start("probe"), "succeeded")
    Step.objects.filter(run=run, index=3).delete()
    Step.objects.filter(run=run, kind="tool").update(status="intent", result=None, finished_at=None)
    Run.objects.filter(pk=run.pk).update(status="failed", error_code="timeout")

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    settled(run, "waiting")
    assert (run.waiting_kind, len(done)) == ("unknown_effect", 1)


@pytest.mark.promise("G13")
@pytest.mark.usefixtures("driver")
def test_an_approval_of_long_ago_is_asked_for_again(scripted: Play, start: Start, done: list[str], alice: User) -> None:
    scripted(*send_then([say("Done.")]))
    run = settled(start("probe", policies={"probe": "ask"}), "waiting")
    asked = HumanRequest.objects.get(run=run)
    HumanRequest.objects.filter(pk=asked.pk).update(
        status="answered", answered_by=alice, answered_at=timezone.now() - timedelta(days=9),
        expires_at=timezone.now() - timedelta(days=8), answer={"decision": "approve"},
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(
        status="failed", error_code="tool_error", waiting_kind="", finished_at=timezone.now()
    )

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    settled(run, "waiting")
    again = HumanRequest.objects.open().get(run=run)
    assert (again.kind, again.pk == asked.pk, done) == ("approval", False, [])
    answers.answer_request(asked=again, actor=alice, answer={"decision": "approve", "digest": again.digest})
    settled(run, "succeeded")
    assert len(done) == 1


@pytest.mark.usefixtures("driver")
def test_what_was_closed_to_the_agent_meanwhile_stays_closed(
    scripted: Play, start: Start, done: list[str], alice: User
) -> None:
    moves: list[Any] = [AUTH, [call("probe")], [say("Done.")]]
    scripted(lambda request: moves.pop(0))
    run = fail(start("probe"))
    old = run.version
    newer = AgentVersion.objects.create(
        agent=run.agent, team=run.team, number=2, instructions="x", runtime=old.runtime, model=old.model,
        tools=[{"tool": "probe", "policy": "ask"}],
    )  # fmt: skip
    Agent.objects.filter(pk=run.agent_id).update(version=newer)

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    settled(run, "waiting")
    assert (run.waiting_kind, done) == ("approval", [])


@pytest.mark.usefixtures("driver")
def test_its_second_end_is_told_too(scripted: Play, start: Start, alice: User) -> None:
    scripted(AUTH)
    run = fail(start())
    notices.notify_pending()
    assert Notification.objects.filter(kind="failed", subject_id=str(run.pk)).count() == 1

    continue_run(run=run, actor=alice)
    assert not Notification.objects.filter(subject_id=str(run.pk)).exists()

    fail(run)
    notices.notify_pending()
    assert Notification.objects.filter(kind="failed", subject_id=str(run.pk)).count() == 1


@pytest.mark.promise("G7")
def test_the_sweep_leaves_a_call_of_a_run_that_was_continued_to_its_next_owner(start: Start, alice: User) -> None:
    run = start()
    step = Step.objects.create(run=run, index=1, kind="model", status="intent", request={"worst_usd": "0.5"})
    Run.objects.filter(pk=run.pk).update(
        status="failed", started_at=timezone.now(), finished_at=timezone.now() - timedelta(minutes=5)
    )
    listed = Step.objects.select_related("run__agent").get(pk=step.pk)
    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)

    periodic.settle_abandoned_call(listed)

    assert Step.objects.get(run=run).status == "intent"
    assert not UsageRecord.objects.exists()


# ---- Run again


@pytest.mark.usefixtures("driver")
def test_starting_again_names_what_it_would_repeat(
    scripted: Play, start: Start, done: list[str], alice: User, api: Api
) -> None:
    scripted(*send_then(AUTH))
    run = fail(start("probe"))
    path = f"/api/v1/runs/{run.pk}/retry/"

    refused = api.send("POST", path, {}, Idempotency_Key="k1")

    assert (refused.status_code, refused.json()["code"]) == (409, "would_repeat_effects")
    (effect,) = refused.json()["effects"]
    assert effect == {
        "step": 2, "tool": "probe", "title": "Probe", "headline": "Send the report to Bob", "at": effect["at"],
        "is_certain": True,
    }  # fmt: skip
    assert "Send the report to Bob" in refused.json()["detail"]
    assert Run.objects.count() == 1
    with pytest.raises(WouldRepeatEffects):
        runs.retry_run(run=run, actor=alice)
    made = api.send("POST", path, {"repeat_effects": True}, Idempotency_Key="k2")
    again = api.send("POST", path, {"repeat_effects": True}, Idempotency_Key="k2")
    assert (made.status_code, again.json()["id"], again.headers["Idempotent-Replayed"]) == (
        201,
        made.json()["id"],
        "true",
    )


@pytest.mark.usefixtures("driver")
def test_what_had_no_effect_is_started_again_without_a_word(scripted: Play, start: Start, api: Api) -> None:
    moves: list[Any] = [[call("list_files")], AUTH, [say("Done.")]]
    scripted(lambda request: moves.pop(0))
    run = fail(start("list_files"))

    assert api.send("POST", f"/api/v1/runs/{run.pk}/retry/", {}).status_code == 201


@pytest.mark.usefixtures("driver")
def test_an_effect_of_which_nobody_knows_is_named_too(
    scripted: Play, start: Start, done: list[str], alice: User
) -> None:
    scripted(*send_then([say("Done.")]))
    run = settled(start("probe"), "succeeded")
    Step.objects.filter(run=run, kind="tool").update(status="intent", result=None)

    with pytest.raises(WouldRepeatEffects) as refused:
        runs.retry_run(run=run, actor=alice)
    assert [effect.is_certain for effect in refused.value.effects] == [False]


# ---- Forks


@pytest.fixture
def sent(scripted: Play, start: Start, done: list[str]) -> Run:
    """Run that listed files, sent the report, and ended."""
    scripted([call("list_files")], [call("probe")], [say("Done.")])
    return settled(start("probe", "list_files"), "succeeded")


def after(run: Run, tool: str) -> int:
    return run.events.get(type="tool.finished", data__tool=tool).seq


@pytest.mark.promise("G4")
@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("place", ["beginning", "before the effect"])
def test_a_fork_without_recorded_results_names_what_it_may_repeat(
    sent: Run, done: list[str], api: Api, place: str
) -> None:
    path = f"/api/v1/runs/{sent.pk}/fork/"
    body = {"from_seq": 0 if place == "beginning" else after(sent, "list_files"), "reuse_tools": False}

    refused = api.send("POST", path, body, Idempotency_Key="k1")

    assert (refused.status_code, refused.json()["code"]) == (409, "would_repeat_effects")
    assert [effect["headline"] for effect in refused.json()["effects"]] == ["Send the report to Bob"]
    assert refused.json()["detail"] == (
        "This run has already done something outside: Send the report to Bob. The fork may do it again. "
        "To start one all the same, say that it may be repeated."
    )
    assert (Run.objects.count(), len(done)) == (1, 1)
    made = api.send("POST", path, body | {"repeat_effects": True}, Idempotency_Key="k2")
    assert made.status_code == 201
    settled(Run.objects.get(pk=made.json()["id"]), "succeeded")
    assert len(done) == 2


@pytest.mark.usefixtures("driver")
def test_a_fork_that_repeats_nothing_starts_without_a_word(sent: Run, done: list[str], alice: User) -> None:
    recorded = forks.fork_run(run=sent, actor=alice, from_seq=0)
    kept = forks.fork_run(run=sent, actor=alice, from_seq=after(sent, "probe"), reuse_tools=False)

    settled(recorded, "succeeded")
    settled(kept, "succeeded")
    assert len(done) == 1


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("reuse_tools", [True, False])
def test_an_effect_whose_result_is_changed_may_be_repeated(
    sent: Run, done: list[str], alice: User, reuse_tools: bool
) -> None:
    with pytest.raises(WouldRepeatEffects):
        forks.fork_run(
            run=sent, actor=alice, from_seq=after(sent, "probe"), tool_result="It failed.", reuse_tools=reuse_tools
        )
    assert (Run.objects.count(), len(done)) == (1, 1)


@pytest.mark.usefixtures("driver")
def test_no_recorded_result_stands_in_for_a_call_whose_answer_was_lost(sent: Run, alice: User) -> None:
    Step.objects.filter(run=sent, tool="probe").update(status="unknown", result=None)

    with pytest.raises(WouldRepeatEffects) as refused:
        forks.fork_run(run=sent, actor=alice, from_seq=0)
    assert [effect.is_certain for effect in refused.value.effects] == [False]


@pytest.mark.usefixtures("driver")
def test_the_page_of_a_fork_asks_before_anything_is_repeated(sent: Run, done: list[str], as_alice: Client) -> None:
    page = reverse("tasks:run_fork", args=["acme", sent.pk])

    asked = as_alice.post(page, {"from_seq": 0})

    assert asked.status_code == 409
    assert ["Send the report to Bob" in asked.text, "Start fork anyway" in asked.text] == [True, True]
    assert "Start fork anyway" not in as_alice.get(page).text
    step = Step.objects.get(run=sent, tool="probe").index
    assert f'name="repeat_effects" value="{step}"' in asked.text
    assert as_alice.post(page, {"from_seq": 0, "repeat_effects": step + 1}).status_code == 409
    assert Run.objects.count() == 1
    made = as_alice.post(page, {"from_seq": 0, "repeat_effects": step})
    fork = Run.objects.exclude(pk=sent.pk).get()
    assert made["Location"] == reverse("tasks:run_detail", args=["acme", fork.pk])
    settled(fork, "succeeded")
    assert len(done) == 2


@pytest.mark.promise("G9")
def test_a_run_that_lost_its_workers_has_its_recoveries_again(scripted: Play, start: Start, alice: User) -> None:
    scripted([say("Done.")])
    run = start()
    lost = {"status": "running", "worker": "gone", "lease_expires_at": timezone.now() - timedelta(seconds=1)}
    Run.objects.filter(pk=run.pk).update(**lost, recoveries=5, epoch=6, started_at=timezone.now())
    with engine():
        fail(run, "worker_lost")

    continue_run(run=Run.objects.get(pk=run.pk), actor=alice)
    Run.objects.filter(pk=run.pk).update(**lost)

    with engine():
        settled(run, "succeeded")
    assert run.recoveries == 1


# ---- The API and the pages


@pytest.mark.promise("G10")
@pytest.mark.usefixtures("driver")
def test_the_api_continues_once_for_one_key(scripted: Play, start: Start, api: Api) -> None:
    scripted(AUTH)
    run = fail(start())
    path = f"/api/v1/runs/{run.pk}/continue/"

    first = api.send("POST", path, {}, Idempotency_Key="k")
    fail(run)
    again = api.send("POST", path, {}, Idempotency_Key="k")

    assert (first.status_code, first.json()["id"], first.json()["status"]) == (202, str(run.pk), "queued")
    assert (again.status_code, again.json()) == (202, first.json())
    assert types(run).count("run.continued") == 1
    finished = settled(start(), "failed")
    runs.retry_run(run=finished, actor=None)
    Run.objects.filter(pk=finished.pk).update(status=RunStatus.SUCCEEDED, error_code="")
    refused = api.send("POST", f"/api/v1/runs/{finished.pk}/continue/", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


@pytest.mark.usefixtures("driver")
def test_many_are_continued_or_started_again_over_the_api(
    scripted: Play, start: Start, done: list[str], api: Api
) -> None:
    scripted(*send_then(AUTH))
    sent, other = fail(start("probe")), fail(start("probe"))
    Step.objects.filter(run=other).delete()
    ids = [str(sent.pk), str(other.pk)]

    again = api.send("POST", "/api/v1/runs/bulk-retry/", {"runs": ids}).json()["results"]
    gone_on = api.send("POST", "/api/v1/runs/bulk-continue/", {"runs": ids}).json()["results"]
    too_late = api.send("POST", "/api/v1/runs/bulk-continue/", {"runs": ids}).json()["results"]

    assert [one["outcome"] for one in again] == ["would_repeat_effects", "started"]
    assert [[effect["headline"] for effect in one["effects"]] for one in again] == [["Send the report to Bob"], []]
    assert [one["outcome"] for one in gone_on] == ["continued", "continued"]
    assert len(too_late) == 2


@pytest.mark.usefixtures("driver")
def test_the_page_offers_to_continue_and_says_what_starting_again_repeats(
    scripted: Play, start: Start, done: list[str], as_alice: Client
) -> None:
    moves: list[Any] = [[call("probe")], AUTH, [say("Done.")]]
    scripted(lambda request: moves.pop(0))
    run = fail(start("probe"))

    def url(name: str) -> str:
        return reverse(f"tasks:{name}", args=["acme", run.pk])

    page = as_alice.get(url("run_detail")).text
    asked = as_alice.get(url("run_retry")).text
    unsure = as_alice.post(url("run_retry"))

    assert f'action="{url("run_continue")}"' in page
    assert f'href="{url("run_retry")}"' in page
    assert f'action="{url("run_retry")}"' not in page
    assert "Send the report to Bob" in asked
    assert (unsure.status_code, Run.objects.count()) == (200, 1)
    assert as_alice.post(url("run_continue")).status_code == 302
    settled(run, "succeeded")
    assert len(done) == 1
    late = as_alice.post(url("run_continue"), follow=True)
    assert "Only a run that failed can be continued." in late.text
    assert as_alice.post(url("run_retry"), {"repeat_effects": "1"}).status_code == 302
    assert Run.objects.filter(retry_of=run).count() == 1


@pytest.mark.usefixtures("driver")
def test_the_list_continues_many_and_says_what_starting_again_repeats(
    scripted: Play, start: Start, done: list[str], as_alice: Client
) -> None:
    scripted(*send_then(AUTH))
    several = [fail(start("probe")) for _ in range(2)]
    chosen = {"run": [str(run.pk) for run in several]}
    retry, go_on = (reverse(f"tasks:{name}", args=["acme"]) for name in ("runs_retry", "runs_continue"))

    assert "2</strong> have already done something outside" in as_alice.get(retry, chosen).text
    told = as_alice.post(retry, chosen, follow=True).text
    assert "0 started again, 2 left alone because of what they did outside" in told
    assert Run.objects.count() == 2
    assert "Continue 2 runs?" in as_alice.get(go_on, chosen).text
    assert "2 continued." in as_alice.post(go_on, chosen, follow=True).text
    for run in several:
        fail(run)
        assert types(run).count("run.continued") == 1
    assert len(done) == 2
    assert as_alice.post(retry, chosen | {"repeat_effects": "1"}).status_code == 302
    assert Run.objects.count() == 4


@pytest.mark.usefixtures("driver")
def test_an_effect_whose_files_could_not_be_kept_is_one_all_the_same(
    scripted: Play, start: Start, done: list[str], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "MAX_FILES", 0)
    scripted([call("write_file", path="a.md", content="# A")], [call("probe")], [say("Done.")])
    run = settled(start("probe", "write_file"), "succeeded")

    tools = run.steps.filter(kind="tool").order_by("index")
    assert [(s.tool, s.status) for s in tools] == [("write_file", "failed"), ("probe", "done")]
    sent = tools[1].result
    assert (sent["summary"], sent["is_error"]) == ("Sent it", False)
    assert sent["content"].startswith("Sent.\n\nThe run has more than 0 files.")
    with pytest.raises(WouldRepeatEffects, match="Send the report to Bob"):
        runs.retry_run(run=run, actor=alice)
    assert len(done) == 1


@pytest.mark.usefixtures("driver")
def test_a_replay_of_a_run_that_was_cut_off_too_often_and_continued_ends_like_it(
    scripted: Play, start: Start, alice: User
) -> None:
    cut = (Stop.MAX_TOKENS, [say("more ")])
    scripted(cut, cut, cut, cut, [say("end.")])
    run = fail(start())
    stopped = forks.replay_run(run=run, actor=alice)
    settled(stopped, "failed")
    assert stopped.error_detail == run.error_detail
    continue_run(run=run, actor=alice)
    settled(run, "succeeded")

    replay = forks.replay_run(run=run, actor=alice)

    settled(replay, "succeeded")
    assert replay.output == run.output == "more more more more end."
    said = [(s.index, s.kind, s.request.get("text")) for s in run.steps.order_by("index")]
    assert [(s.index, s.kind, s.request.get("text")) for s in replay.steps.order_by("index")] == said
