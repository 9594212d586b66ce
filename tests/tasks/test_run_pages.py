"""Pages of runs: list, form, live page with its parts, actions."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from storage.services import save_file
from tasks import event_log, events
from tasks.models import Artifact, HumanRequest, RequestStatus, Run, RunStatus, Task
from tests.factories import (
    AgentFactory,
    HumanRequestFactory,
    MembershipFactory,
    RunFactory,
    StoredFileFactory,
    TaskFactory,
)
from tests.html import HOSTILE, Page

HX = {"HX-Request": "true"}


@pytest.fixture
def as_viewer(team) -> Client:
    viewer = Client()
    viewer.force_login(MembershipFactory(team=team, role=Role.VIEWER, user__name="Vera").user)
    return viewer


@pytest.fixture
def agent(team):
    return AgentFactory(team=team, name="Ana")


def url(name: str, run: Run | None = None, **more: Any) -> str:
    kwargs = {"team": "acme", **({"run_id": run.pk} if run else {}), **more}
    return reverse(f"tasks:{name}", kwargs=kwargs)


def ended(status: str = RunStatus.SUCCEEDED) -> dict[str, Any]:
    return {"status": status, "started_at": timezone.now(), "finished_at": timezone.now()}


# ---- The live page


def test_the_page_of_a_run_shows_its_history_and_where_the_socket_goes_on(as_alice, agent):
    run = RunFactory(agent=agent, status=RunStatus.QUEUED, title="What drives refunds?")
    event_log.append(run, events.Message(step=1, role="agent", text="I **look** at the file."))

    page = Page(as_alice.get(url("run_detail", run)).text)

    (main,) = page.all("main")
    assert main["data-run"] == str(run.pk)
    assert main["data-seq"] == "1"
    assert main["data-socket"] == f"/ws/runs/{run.pk}/"
    assert "data-run-live" in main
    assert "I look at the file." in page.text
    assert "Queued, next in line" in page.text
    assert page.problems() == []


def test_a_finished_run_opens_on_its_result_without_a_socket(as_alice, agent):
    run = RunFactory(agent=agent, output="**41 %** of refunds", active_s=134, cost_usd=Decimal("0.06"), **ended())

    page = Page(as_alice.get(url("run_detail", run)).text)

    assert "data-run-live" not in page.all("main")[0]
    selected = [tab["id"] for tab in page.all("button") if tab.get("aria-selected") == "true"]
    assert selected == ["result"]
    assert "Finished in 2 m 14 s for $0.06." in page.text
    assert "41 % of refunds" in page.text


def test_a_failed_run_says_why_and_what_to_do(as_alice, agent):
    run = RunFactory(
        agent=agent, error_code="timeout", error_detail="The run used up its 60 s.", **ended(RunStatus.FAILED)
    )

    text = Page(as_alice.get(url("run_detail", run)).text).text

    assert "Stopped: The run used up its 60 s." in text
    assert "Continued, it has the same time once more." in text


def test_the_demo_model_is_named_on_the_page(as_alice, team, agent):
    real = AgentFactory(team=team, version__runtime="anthropic", version__model="claude-x")

    assert "Demo model" in as_alice.get(url("run_detail", RunFactory(agent=agent))).text
    assert "Demo model" not in as_alice.get(url("run_detail", RunFactory(agent=real))).text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text_on_the_page(as_alice, team, text):
    agent = AgentFactory(team=team, name=text[:80].replace("\x00", ""))
    clean = text.replace("\x00", "")
    run = RunFactory(
        agent=agent, title=clean, prompt=clean, output=clean, error_detail=clean, **ended(RunStatus.FAILED)
    )
    Artifact.objects.create(team=team, run=run, path=clean, file=StoredFileFactory(team=team, name=clean))
    event_log.append(run, events.Message(step=1, role="agent", text=clean))

    page = Page(as_alice.get(url("run_detail", run)).text)

    assert page.problems() == []
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_an_older_part_of_the_history_is_a_page_without_javascript(as_alice, agent):
    run = RunFactory(agent=agent)
    event_log.append(run, *[events.Message(step=n, role="agent", text=f"Word {n}.") for n in range(1, 5)])

    text = Page(as_alice.get(url("run_detail", run) + "?before=3").text).text

    assert "Word 2." in text
    assert "Word 3." not in text


@pytest.mark.parametrize("before", ["0", "x", "-4", "99999999999999999999", ""])
def test_an_odd_place_in_the_history_is_no_error(as_alice, agent, before):
    run = RunFactory(agent=agent)

    assert as_alice.get(url("run_detail", run), {"before": before}).status_code == 200
    for part in ("run_history", "run_log"):
        assert as_alice.get(url(part, run), {"before": before}, headers=HX).status_code == 200
    assert as_alice.get(url("run_frames", run), {"after": before}).status_code == 200


def test_the_state_says_up_to_which_event_its_numbers_count(as_alice, agent):
    run = RunFactory(agent=agent, status=RunStatus.RUNNING, lease_expires_at=timezone.now(), input_tokens=1200)
    event_log.append(run, events.Log(text="x"))

    response = as_alice.get(url("run_state", run), headers=HX)

    assert response["X-Last-Seq"] == "1"
    targets = {block["data-target"] for block in Page(response.text).all("template")}
    assert {"run-status", "run-stats", "run-actions", "run-dock", "run-outcome", "run-result"} <= targets
    assert "1,200 in" in Page(response.text).text.replace("\n", " ").replace("</span>", "")


def test_frames_are_what_the_socket_sends(as_alice, agent):
    run = RunFactory(agent=agent)
    event_log.append(run, *[events.Message(step=n, role="agent", text=f"Word {n}.") for n in (1, 2, 3)])

    body = as_alice.get(url("run_frames", run), {"after": 1}).json()

    assert [frame["seq"] for frame in body["frames"]] == [2, 3]
    assert "Word 2." in body["frames"][0]["html"]
    assert body["last_seq"] == 3


def test_the_log_and_the_waterfall_are_there(as_alice, agent):
    run = RunFactory(agent=agent)
    event_log.append(run, events.Error(code="tool_error", detail="It <b>broke</b>."))

    log = Page(as_alice.get(url("run_log", run), headers=HX).text)

    assert "It <b>broke</b>." in log.text
    assert [line["data-l"] for line in log.all("div") if "data-l" in line] == ["error"]
    assert "Nothing yet" in as_alice.get(url("run_timeline", run), headers=HX).text


# ---- Actions


def test_cancelling_asks_first_and_says_what_it_costs(as_alice, agent):
    run = RunFactory(agent=agent, status=RunStatus.RUNNING, lease_expires_at=timezone.now(), cost_usd=Decimal("0.38"))
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now())

    assert "$0.38" in as_alice.get(url("run_cancel", run)).text
    run.refresh_from_db()
    assert run.status == RunStatus.RUNNING

    response = as_alice.post(url("run_cancel", run), {"reason": "The spec changed"})

    run.refresh_from_db()
    assert response.url == url("run_detail", run)
    assert run.status == RunStatus.CANCELLED
    assert "The spec changed" in run.events.get(type="run.finished").data["summary"]


def test_run_again_starts_the_same_work(as_alice, agent):
    run = RunFactory(agent=agent, prompt="Count them.", **ended(RunStatus.FAILED))

    response = as_alice.post(url("run_retry", run))

    again = Run.objects.get(retry_of=run)
    assert response.url == url("run_detail", again)
    assert (again.prompt, again.attempt) == ("Count them.", 2)


def test_a_live_run_is_not_run_again(as_alice, agent):
    run = RunFactory(agent=agent)

    assert as_alice.post(url("run_retry", run)).status_code == 409
    assert Run.objects.count() == 1


def test_the_receipt_and_the_bundle_are_downloads_of_the_team(as_alice, agent):
    run = RunFactory(agent=agent)

    assert "Each model call is one line" in as_alice.get(url("run_receipt", run)).text
    response = as_alice.get(url("run_bundle", run))
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}.tar.gz"'
    assert b"run.json" in gzip.decompress(b"".join(response))


# ---- Who may


PAGES = ("run_detail", "run_state", "run_history", "run_frames", "run_log", "run_timeline", "run_receipt", "run_bundle")


@pytest.mark.parametrize("name", PAGES)
def test_an_outsider_gets_404_and_a_stranger_signs_in(client, charlie, agent, name):
    run = RunFactory(agent=agent)
    assert client.get(url(name, run)).status_code == 302

    client.force_login(charlie)

    assert client.get(url(name, run)).status_code == 404
    assert client.get(reverse(f"tasks:{name}", kwargs={"team": "elsewhere", "run_id": run.pk})).status_code == 404


@pytest.mark.parametrize("name", ["run_cancel", "run_retry", "run_share"])
def test_a_viewer_may_look_but_not_act(as_viewer, agent, name):
    run = RunFactory(agent=agent, **(ended() if name == "run_retry" else {}))
    before = Run.objects.get(pk=run.pk).status

    response = as_viewer.post(url(name, run))

    assert response.status_code == 403
    assert Run.objects.get(pk=run.pk).status == before
    assert Run.objects.count() == 1
    assert as_viewer.get(url("run_detail", run)).status_code == 200


def test_a_viewer_sees_the_question_but_cannot_answer_it(as_viewer, agent):
    asked = HumanRequestFactory(run=RunFactory(agent=agent, status=RunStatus.WAITING, waiting_kind="question"))

    page = Page(as_viewer.get(url("run_detail", asked.run)).text)

    assert "Which column?" in page.text
    assert "A member, admin or owner can answer." in page.text
    assert any("disabled" in fieldset for fieldset in page.all("fieldset"))
    answer = reverse("tasks:request_answer", kwargs={"team": "acme", "request_id": asked.pk})
    assert as_viewer.post(answer, {"text": "x"}).status_code == 403
    assert HumanRequest.objects.get().status == RequestStatus.OPEN


# ---- The list


def test_the_list_filters_by_status_agent_and_task(as_alice, team, agent):
    other = AgentFactory(team=team)
    task = TaskFactory(agent=agent)
    RunFactory(agent=agent, task=task, title="Alpha", **ended())
    RunFactory(agent=other, title="Beta", status=RunStatus.WAITING, waiting_kind="approval")
    RunFactory(agent=other, title="Gamma", status=RunStatus.WAITING, waiting_kind="timer")

    def shown(**query: Any) -> set[str]:
        text = Page(as_alice.get(url("run_list"), query).text).text
        return {name for name in ("Alpha", "Beta", "Gamma") if name in text}

    assert shown() == {"Alpha", "Beta", "Gamma"}
    assert shown(status="needs_you") == {"Beta"}
    assert shown(status="live") == {"Gamma"}
    assert shown(status="succeeded") == {"Alpha"}
    assert shown(agent=other.pk) == {"Beta", "Gamma"}
    assert shown(task=task.pk) == {"Alpha"}
    assert shown(status="nonsense", agent="x", task="y") == {"Alpha", "Beta", "Gamma"}


def test_the_list_of_another_team_stays_its_own(as_alice, agent, other_team):
    RunFactory(agent=AgentFactory(team=other_team), title="Secret plan")

    assert "Secret plan" not in as_alice.get(url("run_list")).text


def test_the_list_comes_in_pages_that_do_not_shift(as_alice, agent, monkeypatch):
    monkeypatch.setattr("tasks.views.runs.PAGE", 2)
    for name in ("One", "Two", "Three", "Four", "Five"):
        RunFactory(agent=agent, title=f"Run {name}.")

    def names(text: str) -> list[str]:
        return [n for n in ("One", "Two", "Three", "Four", "Five") if f"Run {n}." in text]

    def follow(text: str, rel: str) -> str:
        href = next(link["href"] for link in Page(text).all("a") if link.get("rel") == rel)
        return as_alice.get(url("run_list") + href).text

    first = as_alice.get(url("run_list")).text
    RunFactory(agent=agent, title="Run Later.")
    second = follow(first, "next")
    third = follow(second, "next")

    assert (names(first), names(second), names(third)) == (["Four", "Five"], ["Two", "Three"], ["One"])
    assert names(follow(third, "prev")) == ["Two", "Three"]


def test_the_list_asks_a_constant_number_of_times(as_alice, agent, django_assert_max_num_queries):
    for _ in range(12):
        RunFactory(agent=agent)

    as_alice.get(url("run_list"))  # a session is noted when it is first seen

    with django_assert_max_num_queries(13):
        as_alice.get(url("run_list"))


def test_an_empty_list_teaches(as_alice, team):
    assert "No runs yet" in as_alice.get(url("run_list")).text
    assert "No runs match" in as_alice.get(url("run_list"), {"status": "failed"}).text


# ---- A new run


def test_work_is_handed_over_with_files_and_limits(as_alice, agent, team):
    uploaded = save_file(team_id=team.pk, content=b"a,b\n1,2\n", name="before.csv")
    body = {
        "agent": agent.pk,
        "prompt": "What drives refunds?",
        "attachments": [SimpleUploadedFile("a.csv", b"x"), SimpleUploadedFile("a.csv", b"y")],
        "attached": [str(uploaded.pk)],
        "review": "on",
        "max_cost_usd": "0.50",
        "timeout_min": "5",
    }

    response = as_alice.post(url("run_new"), body)

    run = Run.objects.get()
    assert response.url == url("run_detail", run)
    assert sorted(run.inputs.values_list("name", flat=True)) == ["a 2.csv", "a.csv", "before.csv"]
    assert (run.review, run.max_cost_usd, run.timeout_s) == (True, Decimal("0.50"), 300)


def test_agents_are_offered_with_their_roles_the_one_that_reads_tables_first(as_alice, team):
    AgentFactory(team=team, name="Ada", role="Writer", version__tools=[{"tool": "write_file", "policy": "allow"}])
    rita = AgentFactory(
        team=team, name="Rita", role="Data analyst", version__tools=[{"tool": "query_table", "policy": "allow"}]
    )
    AgentFactory(team=team, name="Plain", role="", status="paused")

    page = as_alice.get(url("run_new")).content.decode()

    options = re.findall(
        r'<option value="([^"]+)"( selected)?>([^<]+)</option>', page.split('name="agent"')[1].split("</select>")[0]
    )
    assert [(text, bool(chosen)) for _, chosen, text in options] == [
        ("Ada · Writer", False),
        ("Rita · Data analyst", True),
    ]
    assert options[1][0] == str(rita.pk)


def test_the_agent_that_was_given_work_last_is_chosen_first(as_alice, alice, bob, team):
    last = AgentFactory(team=team, name="Zoe", role="Support rep")
    other = AgentFactory(team=team, name="Rita", version__tools=[{"tool": "query_table", "policy": "allow"}])
    RunFactory(agent=other, created_by=alice)
    RunFactory(agent=last, created_by=alice)
    RunFactory(agent=other, created_by=bob)

    chosen = as_alice.get(url("run_new")).context["form"]["agent"].value()
    asked_for = as_alice.get(url("run_new"), {"agent": other.pk}).context["form"]["agent"].value()

    assert getattr(chosen, "pk", chosen) == last.pk
    assert str(asked_for) == str(other.pk)


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(as_alice, agent, settings):
    settings.UPLOAD_MAX_BYTES = 10
    body = {
        "agent": agent.pk,
        "prompt": " ",
        "attachments": [SimpleUploadedFile("large.csv", b"x" * 11)],
        "max_turns": "0",
    }

    response = as_alice.post(url("run_new"), body)

    assert response.status_code == 422
    form = response.context["form"]
    assert set(form.errors) == {"prompt", "attachments", "max_turns"}
    assert "large.csv is larger than" in form.errors["attachments"][0]
    assert Run.objects.exists() is False


def test_only_the_teams_own_agents_and_files_can_be_used(as_alice, agent, other_team):
    theirs = save_file(team_id=other_team.pk, content=b"secret", name="secret.csv")

    refused = as_alice.post(url("run_new"), {"agent": AgentFactory(team=other_team).pk, "prompt": "x"})
    taken = as_alice.post(url("run_new"), {"agent": agent.pk, "prompt": "x", "attached": [str(theirs.pk), "nonsense"]})

    assert refused.status_code == 422
    assert taken.status_code == 302
    assert Run.objects.get().inputs.count() == 0


def test_a_paused_agent_is_not_offered(as_alice, team, agent):
    agent.status = "paused"
    agent.save()

    assert "No agent available" in as_alice.get(url("run_new")).text


def test_a_file_is_uploaded_before_the_form_is_sent(as_alice, as_viewer, team):
    address = reverse("tasks:file_upload", kwargs={"team": "acme"})

    response = as_alice.post(address, {"file": SimpleUploadedFile("../../a.csv", b"1,2")})

    assert response.status_code == 201
    assert response.json()["name"] == "a.csv"
    assert as_alice.post(address).status_code == 422
    assert as_viewer.post(address, {"file": SimpleUploadedFile("a.csv", b"1")}).status_code == 403


def test_the_form_starts_with_the_agent_that_was_chosen(as_alice, team, agent):
    second = AgentFactory(team=team, name="Zoe")

    page = Page(as_alice.get(url("run_new"), {"agent": second.pk}).text)

    assert [o["value"] for o in page.all("option") if "selected" in o] == [str(second.pk)]


def test_without_tasks_nothing_is_lost_to_the_next_run(as_alice, agent):
    older = RunFactory(agent=agent, created_at=timezone.now() - timedelta(days=1))
    newer = RunFactory(agent=agent)

    hrefs = [link.get("href") for link in Page(as_alice.get(url("run_detail", older)).text).all("a")]

    assert url("run_detail", newer) in hrefs
    assert Task.objects.exists() is False


def test_a_place_in_the_history_that_is_too_long_to_read_shows_the_newest(as_alice, agent):
    run = RunFactory(agent=agent)
    event_log.append(run, events.Message(step=1, role="agent", text="The newest word."))

    response = as_alice.get(url("run_detail", run), {"before": "9" * 5000})

    assert (response.status_code, "The newest word." in response.text) == (200, True)
