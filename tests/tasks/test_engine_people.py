"""Questions, approvals and reviews."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import Conflict, Forbidden, InvalidInput
from accounts.models import User
from tasks.models import Artifact, HumanRequest, Run, Step
from tasks.services import answers, periodic
from tasks.services.runs import cancel_run
from tests.tasks.scripted import Scripted, call, last, say, settled, types, until

pytestmark = pytest.mark.usefixtures("driver")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
WRITE = call("write_file", path="a.txt", content="hello")
ASK = {"policies": {"write_file": "ask"}}


def asked_of(run: Run) -> HumanRequest:
    return HumanRequest.objects.get(run=run, status="open")


@pytest.mark.promise("G13")
def test_an_approved_call_runs_exactly_what_was_shown(scripted: Play, start: Start, alice: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)
    assert (run.waiting_kind, asked.arguments) == ("approval", {"path": "a.txt", "content": "hello"})
    assert not Artifact.objects.exists()

    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})

    settled(run, "succeeded")
    assert Artifact.objects.get(run=run).path == "a.txt"


@pytest.mark.promise("G13")
def test_an_approval_with_another_digest_is_refused_and_stays_open(scripted: Play, start: Start, alice: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)

    with pytest.raises(Conflict):
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": "sha256:other"})

    run.refresh_from_db()
    assert (run.status, asked_of(run).pk) == ("waiting", asked.pk)
    assert not Artifact.objects.exists()


@pytest.mark.promise("G13")
def test_a_second_answer_is_refused(scripted: Play, start: Start, alice: User, bob: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})

    with pytest.raises(Conflict, match="already answered by Alice"):
        answers.answer_request(asked=asked, actor=bob, answer={"decision": "reject", "digest": asked.digest})

    assert types(settled(run, "succeeded")).count("human.answered") == 1


def test_a_rejected_call_does_not_happen_and_the_model_learns_why(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted([WRITE], [say("Then not.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)

    rejected = {"decision": "reject", "digest": asked.digest, "comment": "Too early."}
    answers.answer_request(asked=asked, actor=alice, answer=rejected)

    settled(run, "succeeded")
    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert result["content"] == "A person did not allow this call. They said: Too early."
    assert result["is_error"] is True
    assert not Artifact.objects.exists()
    assert "tool.started" not in types(run)


@pytest.mark.promise("G13")
def test_an_edited_call_runs_the_edited_arguments_and_says_so(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)

    edited = {"path": "b.txt", "content": "bye"}
    answer = {"decision": "edit", "digest": asked.digest, "arguments": edited}
    answers.answer_request(asked=asked, actor=alice, answer=answer)

    settled(run, "succeeded")
    assert Artifact.objects.get(run=run).path == "b.txt"
    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert result["content"].startswith('A person changed the arguments to {"path": "b.txt", "content": "bye"}.')
    asked.refresh_from_db()
    assert asked.answer["digest"] != asked.digest


def test_an_edit_that_does_not_fit_the_tool_stays_open(scripted: Play, start: Start, alice: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)

    answer = {"decision": "edit", "digest": asked.digest, "arguments": {"path": 3}}
    with pytest.raises(InvalidInput):
        answers.answer_request(asked=asked, actor=alice, answer=answer)

    assert asked_of(run).pk == asked.pk


@pytest.mark.parametrize("by_a_person", [True, False])
def test_the_same_refused_call_three_times_stops_the_run(
    scripted: Play, start: Start, alice: User, by_a_person: bool
) -> None:
    def again(request: Any) -> Any:
        return [call("write_file", f"toolu_{len(request.messages)}", path="a.txt", content="hello")]

    scripted(again)
    run = start("write_file", **ASK)
    for _ in range(3):
        settled(run, "waiting")
        asked = asked_of(run)
        if by_a_person:
            answers.answer_request(asked=asked, actor=alice, answer={"decision": "reject", "digest": asked.digest})
        else:
            HumanRequest.objects.filter(pk=asked.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
            periodic.expire_requests()

    settled(run, "failed")
    assert run.error_code == "no_progress"
    assert run.error_detail == "The agent asked 3 times for the same call that was not allowed: write_file."
    assert not Artifact.objects.exists()


@pytest.mark.promise("G12")
def test_cancel_makes_an_open_approval_void(scripted: Play, start: Start, alice: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    asked = asked_of(run)

    cancel_run(run=run, actor=alice)

    asked.refresh_from_db()
    assert (run.status, asked.status) == ("cancelled", "void")
    with pytest.raises(Conflict, match="void"):
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})
    assert types(run)[-1] == "run.finished"
    assert not Artifact.objects.exists()


def test_named_approvers_and_four_eyes(scripted: Play, start: Start, alice: User, bob: User, charlie: User) -> None:
    scripted([WRITE], [say("Done.")])
    run = start("write_file", **ASK)
    run.version.options = {"approvers": ["Alice@example.com", "bob@example.com"], "four_eyes": True}
    run.version.save()
    settled(run, "waiting")
    asked = asked_of(run)
    approve = {"decision": "approve", "digest": asked.digest}

    with pytest.raises(Forbidden, match="Somebody else"):
        answers.answer_request(asked=asked, actor=alice, answer=approve)
    with pytest.raises(Forbidden, match=r"Only alice@example\.com, bob@example\.com"):
        answers.answer_request(asked=asked, actor=charlie, answer=approve)
    assert not Artifact.objects.exists()

    answers.answer_request(asked=asked, actor=bob, answer=approve)
    settled(run, "succeeded")


def test_review_approve_reject_revise(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted([say("First.")], [say("Second.")])
    run = settled(start(review=True))
    assert (run.status, run.output) == ("needs_review", "First.")

    answers.review_run(run=run, actor=alice, decision="revise", comment="Shorter, please.")
    settled(run, "needs_review")
    assert run.output == "Second."
    said: Any = runtime.calls[1].messages[-1]["content"]
    assert said == [{"type": "text", "text": "The reviewer asks for changes: Shorter, please."}]

    answers.review_run(run=run, actor=alice, decision="approve")
    settled(run, "succeeded")
    assert types(run)[-2:] == ["run.reviewed", "run.finished"]
    assert Step.objects.filter(run=run, kind="input").count() == 1


def test_revise_needs_a_comment(scripted: Play, start: Start, alice: User) -> None:
    scripted([say("First.")])
    run = settled(start(review=True))

    with pytest.raises(InvalidInput, match="Say what should change"):
        answers.review_run(run=run, actor=alice, decision="revise")

    run.refresh_from_db()
    assert run.status == "needs_review"


def test_rejected_review_ends_the_run(scripted: Play, start: Start, alice: User) -> None:
    scripted([say("First.")])
    run = settled(start(review=True))

    answers.review_run(run=run, actor=alice, decision="reject", comment="Wrong file.")

    run.refresh_from_db()
    assert run.status == "rejected"
    assert last(run, "run.finished") | {"active_s": 0} == {
        "status": "rejected",
        "summary": "Wrong file.",
        "error_code": "",
        "error_detail": "",
        "cost_usd": "0.010000",
        "active_s": 0,
    }


def test_who_may_not_approve_may_not_repeat_a_call_whose_answer_was_lost(start: Start, alice: User, bob: User) -> None:
    run = start("write_file", **ASK, start_at=timezone.now() + timedelta(days=1))
    run.version.options = {"approvers": ["bob@example.com"]}
    run.version.save()
    Run.objects.filter(pk=run.pk).update(status="waiting", waiting_kind="unknown_effect", start_at=None)
    asked = HumanRequest.objects.create(team=run.team, run=run, kind="unknown_effect", title="Did this happen?")

    with pytest.raises(Forbidden, match="Only bob"):
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "retry"})
    assert asked_of(run).pk == asked.pk

    answers.answer_request(asked=asked, actor=bob, answer={"decision": "skip"})
    asked.refresh_from_db()
    assert asked.status == "answered"


@pytest.mark.promise("G13")
def test_a_call_that_takes_an_old_id_again_is_another_call(scripted: Play, start: Start, alice: User) -> None:
    """Reuse a call id, as models do that number the calls of each response.

    An approval of one turn does not apply to the next.
    """
    runtime = scripted([WRITE], [WRITE], [say("Done.")])
    run = settled(start("write_file", **ASK))
    first = asked_of(run)
    answers.answer_request(asked=first, actor=alice, answer={"decision": "approve", "digest": first.digest})

    settled(run, "waiting")
    second = until(lambda: HumanRequest.objects.filter(run=run, status="open").first())
    assert types(run).count("tool.started") == 1
    answers.answer_request(asked=second, actor=alice, answer={"decision": "reject", "digest": second.digest})

    settled(run, "succeeded")
    assert types(run).count("tool.started") == 1
    assert len(runtime.calls) == 3
