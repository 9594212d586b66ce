"""Forms that are sent twice without JavaScript: one effect, and both responses lead to it. Promise G10."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import IdempotencyRecord, User
from agents.models import Agent, AgentStatus
from storage.models import StoredFile
from tasks.models import Run, RunStatus
from tests.factories import AgentFactory, RunFactory, TaskFactory
from tests.html import Page

pytestmark = pytest.mark.promise("G10")


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def over(agent: Agent) -> Run:
    """Return a finished run that can be run again."""
    then = timezone.now()
    return RunFactory(agent=agent, prompt="Go", status=RunStatus.SUCCEEDED, started_at=then, finished_at=then)


def url(name: str, *args: Any) -> str:
    return reverse(f"tasks:{name}", args=["acme", *args])


def key_on(browser: Client, address: str) -> str:
    (key,) = {
        field["value"] for field in Page(browser.get(address).text).all("input") if field.get("name") == "form_key"
    }
    return key


def _new(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    return url("run_new"), url("run_new"), {"agent": agent.pk, "prompt": "Go"}


def _task(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    address = url("task_detail", TaskFactory(agent=agent, prompt="Go").pk)
    return address, address, {}


def _first(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    address = url("onboarding_first_run", agent.pk)
    return address, address, {"prompt": "Go"}


def _again(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    return url("run_detail", over.pk), url("run_retry", over.pk), {}


def _fork(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    return url("run_fork", over.pk), url("run_fork", over.pk), {"from_seq": 0, "prompt": "Go on"}


def _replay(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    return url("run_replay", over.pk), url("run_replay", over.pk), {}


def _many(agent: Agent, over: Run) -> tuple[str, str, dict[str, Any]]:
    return f"{url('runs_retry')}?run={over.pk}", url("runs_retry"), {"run": [str(over.pk)]}


FORMS = [_new, _task, _first, _again, _fork, _replay, _many]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.strip("_"))
def test_a_form_that_starts_a_run_starts_one_when_it_is_sent_twice(
    as_alice: Client, agent: Agent, over: Run, form: Callable[..., tuple[str, str, dict[str, Any]]]
) -> None:
    shown_at, sent_to, fields = form(agent, over)
    fields |= {"form_key": key_on(as_alice, shown_at)}

    first = as_alice.post(sent_to, fields)
    again = as_alice.post(sent_to, fields)

    assert (first.status_code, again.status_code) == (302, 302)
    assert first["Location"] == again["Location"]
    new = Run.objects.exclude(pk=over.pk)
    assert new.count() == 1
    assert "This was sent twice. It counts once." in as_alice.get(again["Location"]).text

    as_alice.post(sent_to, fields | {"form_key": key_on(as_alice, shown_at)})

    assert new.count() == 2  # a freshly loaded form means another run


def test_a_message_to_a_run_is_said_once_when_it_is_sent_twice(as_alice: Client, agent: Agent) -> None:
    run = RunFactory(agent=agent)
    fields = {"text": "Be brief.", "form_key": key_on(as_alice, url("run_detail", run.pk))}

    plain = [as_alice.post(url("run_message", run.pk), fields) for _ in range(2)]
    part = as_alice.post(url("run_message", run.pk), fields, headers={"HX-Request": "true"})

    assert [answer["Location"] for answer in plain] == [url("run_detail", run.pk)] * 2
    assert "Sent." in part.text
    assert run.events.filter(type="message").count() == 1
    assert fields["form_key"] not in part.text  # the next message has a key of its own


def test_other_words_in_the_same_form_are_another_run(as_alice: Client, agent: Agent) -> None:
    """Go back, change the text and send the form again."""
    fields = {"agent": agent.pk, "prompt": "Go", "form_key": key_on(as_alice, url("run_new"))}

    as_alice.post(url("run_new"), fields)
    as_alice.post(url("run_new"), fields | {"prompt": "Go on"})

    assert sorted(Run.objects.values_list("prompt", flat=True)) == ["Go", "Go on"]


def test_another_person_with_the_same_form_starts_a_run_of_their_own(as_alice: Client, bob: User, agent: Agent) -> None:
    as_bob = Client()
    as_bob.force_login(bob)
    fields = {"agent": agent.pk, "prompt": "Go", "form_key": "1"}

    answers = [browser.post(url("run_new"), fields) for browser in (as_alice, as_bob)]

    assert answers[0]["Location"] != answers[1]["Location"]


def test_a_file_that_is_sent_twice_is_kept_once(as_alice: Client, agent: Agent) -> None:
    def send(content: bytes) -> Any:
        upload = SimpleUploadedFile("a.csv", content)
        return as_alice.post(url("run_new"), fields | {"attachments": upload})

    fields = {"agent": agent.pk, "prompt": "Go", "form_key": key_on(as_alice, url("run_new"))}

    assert send(b"a;b")["Location"] == send(b"a;b")["Location"]
    assert StoredFile.objects.count() == 1
    send(b"c;d")

    assert (Run.objects.count(), StoredFile.objects.count()) == (2, 2)


def test_a_refused_form_may_be_sent_again(as_alice: Client, agent: Agent) -> None:
    Agent.objects.update(status=AgentStatus.PAUSED)
    again = url("run_retry", RunFactory(agent=agent, status=RunStatus.FAILED, finished_at=timezone.now()).pk)

    assert as_alice.post(again, {"form_key": "1"}).status_code == 409
    assert IdempotencyRecord.objects.count() == 0
    Agent.objects.update(status=AgentStatus.ACTIVE)

    assert as_alice.post(again, {"form_key": "1"}).status_code == 302
    assert Run.objects.count() == 2
