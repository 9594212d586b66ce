"""Requests to people: the inbox, and answers from forms."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.template.loader import get_template
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import Notification
from tasks.call_digest import digest
from tasks.forms.answers import read_answer
from tasks.models import HumanRequest, RequestKind, RequestStatus, Run, RunStatus
from tasks.request_kinds import KINDS, Kind
from tasks.services import answers, notices
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.html import HOSTILE, Page

NOW = timezone.now
HX = {"HX-Request": "true"}
ARGUMENTS = {"to": "bob@example.com", "subject": "In May", "body": "Hello\nBob", "attachments": ["report.md"]}


@pytest.fixture
def waiting(team) -> Run:
    return RunFactory(agent=AgentFactory(team=team, name="Ana"), status=RunStatus.WAITING, waiting_kind="question")


def ask(run: Run, kind: str = "question", **more: Any) -> HumanRequest:
    status = RunStatus.NEEDS_REVIEW if kind == "review" else RunStatus.WAITING
    Run.objects.filter(pk=run.pk).update(status=status, waiting_kind="" if kind == "review" else kind)
    run.refresh_from_db()
    return HumanRequestFactory(run=run, kind=kind, **more)


def approval(run: Run, arguments: dict[str, Any] = ARGUMENTS, tool: str = "email_report") -> HumanRequest:
    named = {"tool": tool, "arguments": arguments, "digest": digest(tool, arguments), "call_id": "c1"}
    return ask(run, "approval", title="Email bob@example.com", **named)


def fields(asked: HumanRequest, **changes: str) -> dict[str, str]:
    """Return the form data of the edited approval, with CR LF as browsers send it."""
    values = {name: v if isinstance(v, str) else json.dumps(v) for name, v in asked.arguments.items()} | changes
    return {f"arg:{name}": text.replace("\n", "\r\n") for name, text in values.items()}


def answer(client: Client, asked: HumanRequest, htmx: bool = True, **body: Any):
    address = reverse("tasks:request_answer", kwargs={"team": "acme", "request_id": asked.pk})
    return client.post(address, body, headers=HX if htmx else {})


def test_a_choice_is_an_answer(as_alice, waiting, alice):
    asked = ask(waiting, choices=["refunded", "refund_usd"])

    response = answer(as_alice, asked, choice="1")

    asked.refresh_from_db()
    waiting.refresh_from_db()
    assert (asked.answer, asked.answered_by) == ({"value": "refund_usd"}, alice)
    assert waiting.status == RunStatus.QUEUED
    assert "Alice answered: refund_usd" in " ".join(Page(response.text).text.split())


@pytest.mark.parametrize("hours", [-2, 2])
def test_whether_it_is_too_late_is_told_by_the_clock_of_the_database(waiting, alice, hours, monkeypatch):
    asked = ask(waiting, expires_at=NOW() - timedelta(hours=1))
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW() + timedelta(hours=hours))

    with pytest.raises(Conflict, match="has expired"):
        answers.answer_request(asked=asked, actor=alice, answer={"value": "yes"})
    asked.refresh_from_db()
    assert (asked.status, asked.answered_at) == (RequestStatus.OPEN, None)

    HumanRequest.objects.update(expires_at=NOW() + timedelta(hours=1))
    answers.answer_request(asked=asked, actor=alice, answer={"value": "yes"})
    asked.refresh_from_db()
    assert abs(asked.answered_at - NOW()) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("more", "body", "value"),
    [
        ({}, {"text": " Use the net sum. "}, "Use the net sum."),
        ({"choices": ["a", "b"]}, {"choice": "0", "text": "but only May"}, "a. but only May"),
        ({"choices": ["a", "b"]}, {"choice": "7", "text": "neither"}, "neither"),
        ({"choices": [1, 2]}, {"choice": "1"}, 2),
        ({"schema": {"type": "integer"}}, {"text": "42"}, 42),
        ({"schema": {"type": "array", "items": {"type": "string"}}}, {"text": '["a"]'}, ["a"]),
        ({"schema": {"type": "string"}}, {"text": "42"}, "42"),
    ],
)
def test_an_answer_is_read_as_the_question_wants_it(as_alice, waiting, more, body, value):
    asked = ask(waiting, **more)

    assert answer(as_alice, asked, **body).status_code == 200

    asked.refresh_from_db()
    assert asked.answer == {"value": value}


@pytest.mark.parametrize(
    ("more", "body", "said"),
    [
        ({}, {"text": "  "}, "Write an answer."),
        ({"schema": {"type": "integer"}}, {"text": "many"}, "Write a number, such as 42."),
        ({"schema": {"type": "array"}}, {"text": "many"}, "cannot be read as JSON"),
        ({"schema": {"type": "array"}}, {"text": '"x"'}, "The answer does not fit"),
        ({"schema": {"type": "integer"}}, {"text": "2.5"}, "The answer does not fit"),
    ],
)
def test_an_answer_that_does_not_fit_stays_in_the_form(as_alice, waiting, more, body, said):
    asked = ask(waiting, **more)

    response = answer(as_alice, asked, **body)

    asked.refresh_from_db()
    assert response.status_code == 422
    assert said in response.text
    assert asked.status == RequestStatus.OPEN
    typed = body["text"].replace('"', "&quot;")
    assert f">{typed}</textarea>" in response.text or f'value="{typed}"' in response.text


def test_an_approval_shows_exactly_the_call(as_alice, waiting):
    asked = approval(waiting, {"to": "bob\u202e@example.com", "body": "<b>Hi</b>\nBob", "count": 2})

    page = Page(as_alice.get(reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": waiting.pk})).text)

    assert "bob\\u202e@example.com" in page.text
    assert "<b>Hi</b>\nBob" in page.text
    assert {"type": "hidden", "name": "digest", "value": asked.digest} in page.all("input")
    decisions = [b["value"] for b in page.all("button") if b.get("name") == "decision"]
    assert decisions == ["approve", "reject"]
    assert not any(field.get("name", "").startswith("arg:") for field in page.all("input"))


def test_enter_in_a_field_presses_no_button(as_alice, waiting):
    """Check the first button of the form, which Enter presses: it must not allow anything."""
    approval(waiting)
    page = Page(as_alice.get(reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": waiting.pk})).text)

    names = [t for t, attributes in page.tags if t == "form" or (t == "button" and attributes.get("type") != "button")]
    form = next(n for n, (t, a) in enumerate(page.tags) if t == "form" and a["action"].endswith("/answer/"))
    first = next(a for t, a in page.tags[form:] if t == "button")
    assert "disabled" in first
    assert names


@pytest.mark.parametrize(("decision", "status"), [("approve", "approve"), ("reject", "reject")])
def test_an_approval_is_decided_once(as_alice, waiting, decision, status):
    asked = approval(waiting)

    assert answer(as_alice, asked, decision=decision, digest=asked.digest, comment="Fine").status_code == 200

    asked.refresh_from_db()
    assert (asked.answer["decision"], asked.answer["comment"]) == (status, "Fine")


def test_a_changed_call_is_checked_and_kept_exactly(as_alice, waiting):
    asked = approval(waiting, {"path": "a.txt", "content": "one\ntwo"}, tool="write_file")

    refused = answer(as_alice, asked, decision="edit", digest=asked.digest, **{"arg:path": "", "arg:content": "x"})
    asked.refresh_from_db()
    assert refused.status_code == 422
    assert asked.status == RequestStatus.OPEN

    answer(as_alice, asked, decision="edit", digest=asked.digest, **{"arg:path": "b.txt", "arg:content": "one\r\n3"})
    asked.refresh_from_db()
    assert asked.answer["arguments"] == {"path": "b.txt", "content": "one\n3"}


@pytest.mark.promise("G21")
def test_what_an_edit_did_not_touch_stays_as_it_was(as_alice, waiting):
    """Send texts as browsers do. The first line break of a text box is missing, every other one is CRLF."""
    arguments = {"content": "\n one\r\ntwo\rthree", "path": "a.txt", "share": 1.0, "rows": [1e-7, 2]}
    asked = approval(waiting, arguments, tool="probe")
    page = Page(answer(as_alice, asked, view="edit", digest=asked.digest).text)
    assert "\n\n one\r\ntwo\rthree" in page.text

    shown = {"content": "\r\n one\r\ntwo\r\nthree", "path": "b.txt", "share": "1.0", "rows": "[1e-07, 2]"}
    form = {"decision": "edit", "digest": asked.digest}
    sent = QueryDict(urlencode(form | {f"arg:{name}": value for name, value in shown.items()}))

    edited = read_answer(asked, sent)["arguments"]

    assert json.dumps(edited) == json.dumps(arguments | {"path": "b.txt"})


@pytest.mark.parametrize("given", ["NaN", "[1e999]", '"\\u0000"', '["\\ud83d"]', "[" * 90 + "]" * 90])
def test_json_that_cannot_be_kept_is_an_error_at_the_field(as_alice, waiting, given):
    asked = approval(waiting, {"path": "a.csv", "rows": [1]}, tool="probe")

    response = answer(as_alice, asked, decision="edit", digest=asked.digest, **fields(asked, rows=given))

    asked.refresh_from_db()
    assert response.status_code == 422
    assert "rows cannot be read as JSON" in response.text
    assert (asked.status, asked.answer) == (RequestStatus.OPEN, None)


@pytest.mark.parametrize("said", [{"comment": "a\0b"}, {"arg:content": "a\0b"}])
def test_a_nul_in_an_answer_is_refused_and_the_request_stays_open(as_alice, waiting, said):
    asked = approval(waiting, {"path": "a.txt", "content": "one"}, tool="write_file")

    sent = fields(asked, path="b.txt") | said
    response = answer(as_alice, asked, decision="edit", digest=asked.digest, **sent)

    asked.refresh_from_db()
    assert response.status_code == 422
    assert "A text holds a NUL or half a character." in response.text
    assert (asked.status, asked.answer) == (RequestStatus.OPEN, None)


def test_json_that_cannot_be_read_is_an_error_at_the_field(as_alice, waiting):
    asked = approval(waiting)

    response = answer(as_alice, asked, decision="edit", digest=asked.digest, **fields(asked, attachments="[oops"))

    assert response.status_code == 422
    assert "attachments cannot be read as JSON" in response.text


@pytest.mark.promise("G21")
@pytest.mark.parametrize("button", ["approve", "edit"])
def test_a_form_that_holds_a_version_sends_it_whatever_button_is_pressed(as_alice, waiting, button):
    asked = approval(waiting)
    wanted = ARGUMENTS | {"to": "kim@example.com"}

    response = answer(as_alice, asked, decision=button, digest=asked.digest, **fields(asked, to="kim@example.com"))

    asked.refresh_from_db()
    assert response.status_code == 200
    assert (asked.answer["decision"], asked.answer["arguments"]) == ("edit", wanted)
    assert asked.answer["digest"] == digest("email_report", wanted)


@pytest.mark.promise("G21")
@pytest.mark.parametrize(
    ("changes", "more", "status", "said"),
    [
        ({}, {}, 422, "Nothing is changed yet."),
        ({"to": "kim@example.com"}, {"version": "sha256:other"}, 409, "This is not the version that was shown to you."),
        ({"to": "kim@example.com", "body": None}, {}, 422, "The form came without body."),
        ({"to": ""}, {}, 422, "to"),
    ],
)
@pytest.mark.parametrize("button", ["approve", "edit"])
def test_a_version_that_is_none_sends_nothing(as_alice, waiting, button, changes, more, status, said):
    asked = approval(waiting)
    sent = {name: text for name, text in (fields(asked) | {f"arg:{n}": v for n, v in changes.items()}).items() if text}
    sent |= {"arg:to": ""} if changes.get("to") == "" else {}

    response = answer(as_alice, asked, decision=button, digest=asked.digest, **sent, **more)

    asked.refresh_from_db()
    assert (response.status_code, asked.status, asked.answer) == (status, RequestStatus.OPEN, None)
    assert said in response.text


def buttons_of(html: str) -> list[tuple[str, str]]:
    return [(b["name"], b["value"]) for b in Page(html).all("button") if b.get("name")]


@pytest.mark.promise("G21")
def test_an_approval_shows_one_version_and_only_what_can_be_done_with_it(as_alice, waiting):
    asked = approval(waiting)
    changed = fields(asked, subject="In <b>June</b>", body="Hello\nKim")

    edit = answer(as_alice, asked, view="edit", digest=asked.digest, comment="Kept").text
    review = answer(as_alice, asked, view="review", digest=asked.digest, comment="Kept", **changed).text
    again = answer(as_alice, asked, view="edit", digest=asked.digest, **changed).text
    back = answer(as_alice, asked, view="asked", digest=asked.digest, **changed).text

    assert buttons_of(edit) == [("decision", "edit"), ("view", "review"), ("view", "asked")]
    assert buttons_of(review) == [("decision", "edit"), ("view", "edit"), ("view", "asked")]
    assert buttons_of(back) == [("decision", "approve"), ("view", "edit"), ("decision", "reject")]
    assert ("In May" in edit, "In May" in again, "In &lt;b&gt;June&lt;/b&gt;" in again) == (True, False, True)
    assert 'value="Kept"' in edit
    assert 'value="Kept"' in review
    assert "You changed the text and the subject." in " ".join(Page(review).text.split())
    assert '<del class="was">In May</del> <ins class="is-now">In &lt;b&gt;June&lt;/b&gt;</ins>' in review
    assert "<del>Bob</del>" in review
    assert "<ins>Kim</ins>" in review
    wanted = ARGUMENTS | {"subject": "In <b>June</b>", "body": "Hello\nKim"}
    assert {"type": "hidden", "name": "version", "value": digest("email_report", wanted)} in Page(review).all("input")
    assert "arg:" not in back
    asked.refresh_from_db()
    assert (asked.status, asked.answer) == (RequestStatus.OPEN, None)


@pytest.mark.promise("G21")
def test_the_title_of_a_changed_call_speaks_of_the_change(as_alice, waiting):
    asked = approval(waiting)

    review = answer(as_alice, asked, view="review", digest=asked.digest, **fields(asked, to="kim@example.com")).text

    title = Page(review[review.index("<h2") : review.index("</h2>")]).text
    assert "kim@example.com" in title
    assert "bob@example.com" not in title


def test_characters_that_do_not_show_are_named_beside_their_field(as_alice, waiting):
    asked = approval(waiting, {"to": "bob\u202e@example.com", "subject": "Hi", "body": "x"})

    edit = Page(answer(as_alice, asked, view="edit", digest=asked.digest).text)

    assert "Holds characters that do not show: \\u202e" in edit.text


def test_a_version_of_a_request_that_was_closed_meanwhile_is_refused(as_alice, bob, waiting):
    asked = approval(waiting)
    answers.answer_request(asked=asked, actor=bob, answer={"decision": "reject", "digest": asked.digest})

    for body in ({"view": "edit"}, {"view": "review", **fields(asked)}, {"decision": "edit", **fields(asked, to="x")}):
        response = answer(as_alice, asked, digest=asked.digest, **body)
        assert response.status_code == (409 if "decision" in body else 200)
        assert "Bob did not allow it." in " ".join(Page(response.text).text.split())
        assert buttons_of(response.text) == []


def test_another_call_than_the_shown_one_is_refused_in_words(as_alice, waiting):
    asked = approval(waiting)

    response = answer(as_alice, asked, decision="approve", digest="sha256:other")

    asked.refresh_from_db()
    assert response.status_code == 409
    assert "Another call was shown to you" in response.text
    assert asked.status == RequestStatus.OPEN


def test_the_second_of_two_people_reads_who_was_faster(as_alice, bob, waiting):
    asked = approval(waiting)
    answers.answer_request(asked=asked, actor=bob, answer={"decision": "reject", "digest": asked.digest})

    response = answer(as_alice, asked, decision="approve", digest=asked.digest)

    assert response.status_code == 409
    text = " ".join(Page(response.text).text.split())
    assert "It was already answered by Bob." in text
    assert "Bob did not allow it." in text
    asked.refresh_from_db()
    assert asked.answer["decision"] == "reject"


def test_a_double_click_answers_once(as_alice, waiting):
    asked = ask(waiting, choices=["a", "b"])
    answer(as_alice, asked, choice="0")

    assert answer(as_alice, asked, choice="0").status_code == 409

    assert list(waiting.events.filter(type="human.answered").values_list("data__value", flat=True)) == ["a"]


def test_what_expired_or_became_void_says_so(as_alice, waiting):
    late = ask(waiting, expires_at=timezone.now() - timedelta(minutes=1))
    assert "expired" in answer(as_alice, late, text="x").text

    HumanRequest.objects.filter(pk=late.pk).update(status=RequestStatus.VOID)
    response = answer(as_alice, late, text="x")
    assert response.status_code == 409
    assert "It is void" in response.text


def test_a_budget_is_raised_to_what_is_needed_or_more(as_alice, waiting):
    about = {"scope": "run", "spent_usd": "0.90", "limit_usd": "1.00", "needed_usd": "0.20"}
    Run.objects.filter(pk=waiting.pk).update(cost_usd="0.90")
    asked = ask(waiting, "budget", arguments=about)

    too_low = answer(as_alice, asked, decision="raise", max_cost_usd="1.00")
    assert too_low.status_code == 422
    assert "allow at least that" in too_low.text

    answer(as_alice, asked, decision="raise", max_cost_usd="$2.50")
    waiting.refresh_from_db()
    assert (waiting.status, str(waiting.max_cost_usd)) == (RunStatus.QUEUED, "2.50")


def said_of(client: Client, asked: HumanRequest) -> tuple[str, str]:
    """Return the texts about a request: on its run's page and on its own."""
    run = reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": asked.run_id})
    own = reverse("tasks:request_detail", kwargs={"team": "acme", "request_id": asked.pk})
    return tuple(" ".join(Page(client.get(page).text).text.split()) for page in (run, own))


def test_who_raised_a_limit_is_said(as_alice, alice, waiting):
    asked = ask(waiting, "budget", arguments={"scope": "run", "needed_usd": "0.20"})

    answer(as_alice, asked, decision="raise", max_cost_usd="2.50")

    line, page = said_of(as_alice, asked)
    assert f"{alice.display_name} raised the limit to $2.50" in line
    assert f"{alice.display_name} raised the limit." in page


@pytest.mark.parametrize("by", ["Room in the budget", "A new budget", "Alice"])
def test_what_let_a_run_go_on_that_waited_for_money_is_said(as_alice, team, waiting, by):
    """Resume a run that waits for money. Nobody has raised a limit where reserved money was released."""
    asked = ask(waiting, "budget", arguments={"scope": "team", "needed_usd": "0.20"})

    if by == "Room in the budget":
        answers.resume_within_budget(limit=1)
    elif by == "A new budget":
        answers.resume_after_budget_change(team=team, agent_id=None)
    else:
        answer(as_alice, asked, decision="raise")

    line, page = said_of(as_alice, asked)
    assert f"{by} let it go on" in line
    assert f"{by} let it go on." in page


def test_a_member_raises_a_run_up_to_the_cap_of_its_agent(client, waiting, bob, alice):
    waiting.version.max_cost_usd = Decimal("3.00")
    waiting.version.save()
    asked = ask(waiting, "budget", arguments={"scope": "run", "needed_usd": "0.50"})

    client.force_login(bob)
    refused = answer(client, asked, decision="raise", max_cost_usd="3.01")
    before = Run.objects.values_list("status", "max_cost_usd").get()
    answer(client, asked, decision="raise", max_cost_usd="3.00")

    assert refused.status_code == 403
    assert "Ana may spend up to $3.00 on one run. An owner or admin of the team can allow more." in refused.text
    assert before == (RunStatus.WAITING, waiting.max_cost_usd)
    assert Run.objects.values_list("status", "max_cost_usd").get() == (RunStatus.QUEUED, Decimal("3.00"))

    asked = ask(waiting, "budget", arguments={"scope": "run", "needed_usd": "0.50"})
    client.force_login(alice)
    answer(client, asked, decision="raise", max_cost_usd="40.00")
    assert Run.objects.get().max_cost_usd == 40


def test_changes_need_a_word_and_a_review_ends_the_run(as_alice, waiting):
    asked = ask(waiting, "review")

    assert "Say what should change." in answer(as_alice, asked, decision="revise").text
    assert answer(as_alice, asked, decision="approve").status_code == 200

    waiting.refresh_from_db()
    assert waiting.status == RunStatus.SUCCEEDED


@pytest.mark.parametrize(("kind", "decision"), [("unknown_effect", "skip"), ("no_progress", "continue")])
def test_the_other_requests_are_decided_too(as_alice, waiting, kind, decision):
    asked = ask(waiting, kind, prompt="Look.", tool="email_report", arguments={"to": "x"})

    page = Page(as_alice.get(reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": waiting.pk})).text)
    assert decision in [b.get("value") for b in page.all("button")]
    answer(as_alice, asked, decision=decision)

    waiting.refresh_from_db()
    assert waiting.status == RunStatus.QUEUED


def test_without_javascript_the_answer_leads_back(as_alice, waiting):
    asked = ask(waiting)
    refused = answer(as_alice, asked, htmx=False, text="")
    assert (refused.status_code, "Write an answer." in refused.text, "<html" in refused.text) == (422, True, True)

    response = answer(as_alice, asked, htmx=False, text="Yes")

    assert response.url == reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": waiting.pk})


# ---- The inbox


def inbox(client: Client, **query: Any) -> str:
    return client.get(reverse("tasks:inbox", kwargs={"team": "acme"}), query).text


def test_an_empty_inbox_teaches(as_alice, team):
    assert "Nothing waits for you" in inbox(as_alice)


def test_the_inbox_lists_what_is_open_and_opens_the_newest(as_alice, team, alice, other_team):
    mine = ask(RunFactory(agent=AgentFactory(team=team), created_by=alice), title="First question")
    ask(RunFactory(agent=AgentFactory(team=team)), title="Second question")
    ask(RunFactory(agent=AgentFactory(team=other_team)), title="Their secret")

    text = Page(inbox(as_alice)).text
    assert "First question" in text
    assert text.count("Second question") >= 2
    assert "Their secret" not in text
    assert "Second question" not in inbox(as_alice, show="mine")

    answer(as_alice, mine, text="Yes")
    assert "First question" not in inbox(as_alice)
    assert "First question" in inbox(as_alice, show="done")


def test_a_review_shows_the_result_beside_the_decision(as_alice, waiting):
    Run.objects.filter(pk=waiting.pk).update(output="**41 %** come late.")
    asked = ask(waiting, "review", title="Review: refunds")

    page = Page(as_alice.get(reverse("tasks:request_detail", kwargs={"team": "acme", "request_id": asked.pk})).text)

    assert "41 % come late." in page.text
    assert {"approve", "revise", "reject"} <= {b.get("value") for b in page.all("button")}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text(as_alice, waiting, text):
    clean = text.replace("\x00", "")
    ask(waiting, title=clean, prompt=clean, choices=[text.replace("\x00", "\u2028"), clean])

    page = Page(inbox(as_alice))

    assert page.problems() == []
    assert "\x1b" not in page.text


def test_an_outsider_gets_404(client, charlie, waiting):
    asked = ask(waiting)
    client.force_login(charlie)

    assert answer(client, asked, text="x").status_code == 404
    theirs = reverse("tasks:request_answer", kwargs={"team": "elsewhere", "request_id": asked.pk})
    assert client.post(theirs, {"text": "x"}).status_code == 404
    detail = reverse("tasks:request_detail", kwargs={"team": "elsewhere", "request_id": asked.pk})
    assert client.get(detail).status_code == 404
    asked.refresh_from_db()
    assert asked.status == RequestStatus.OPEN


def test_every_kind_stands_in_the_table_with_a_form_that_exists():
    assert set(KINDS) == set(RequestKind)
    for kind in KINDS.values():
        assert get_template(kind.template)
        if kind.template == "tasks/_request_decision.html":
            assert tuple(value for value, *_ in kind.buttons) == kind.decisions


def test_a_kind_that_is_added_to_the_table_is_shown_told_and_answered(as_alice, waiting, monkeypatch):
    """CONTRIBUTING, "how to add a kind of request": one row in the table, and what the engine asks."""
    added = Kind(
        label="Consent",
        does="needs consent",
        action="Give consent",
        icon="hand",
        decisions=("agree", "decline"),
        buttons=(("agree", "I agree", "btn-primary"), ("decline", "I do not", "")),
    )
    monkeypatch.setitem(KINDS, "consent", added)
    run = waiting
    asked = ask(run, "consent", title="May I?")

    notices.notify_pending()
    page = as_alice.get(reverse("tasks:inbox", args=[asked.team.slug])).content.decode()
    refused = answer(as_alice, asked, decision="approve")
    asked.refresh_from_db()
    was = asked.status
    answer(as_alice, asked, decision="agree")

    assert 'value="agree">I agree</button>' in page
    assert '<option value="consent">Consent</option>' in page
    assert Notification.objects.get(subject_id=str(asked.pk)).title.endswith(" needs consent")
    assert "Decide one of agree, decline." in refused.text
    assert was == "open"
    asked.refresh_from_db()
    assert (asked.status, asked.answer["decision"], Run.objects.get(pk=asked.run_id).status) == (
        "answered",
        "agree",
        "queued",
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"approvers": ["boss@example.com"]}, "Only boss@example.com may decide about calls of Ana."),
        ({"four_eyes": True}, "You started this run. Somebody else has to decide about this call."),
    ],
)
def test_a_person_who_may_not_approve_reads_who_may(as_alice, alice, team, options, said):
    agent = AgentFactory(team=team, name="Ana", version__options=options)
    asked = approval(RunFactory(agent=agent, created_by=alice))

    page = Page(as_alice.get(reverse("tasks:request_detail", kwargs={"team": "acme", "request_id": asked.pk})).text)

    assert said in page.text
    assert any("disabled" in fieldset for fieldset in page.all("fieldset"))
    refused = answer(as_alice, asked, decision="approve", digest=asked.digest)
    assert refused.status_code == 403
    assert said in refused.text
