"""Pages of tasks: list, editor, one task with its form, deletion."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from tasks.models import Run, RunStatus, Task
from tests.factories import AgentFactory, MembershipFactory, RunFactory, TaskFactory
from tests.html import HOSTILE, Page

VARIABLES = [
    {"name": "month", "type": "choice", "choices": ["May", "June"], "required": True, "label": "Month"},
    {"name": "words", "type": "number", "default": "180", "required": False},
    {"name": "as_of", "type": "date", "required": False},
    {"name": "note", "type": "text", "required": False, "help": "Anything else?"},
    {"name": "tickets", "type": "file", "required": True},
]
PROMPT = "Refunds of {{month}} in {{words}} words, as of {{as_of}}. {{note}} Use {{tickets}}."


@pytest.fixture
def agent(team):
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def task(agent) -> Task:
    return TaskFactory(agent=agent, name="Refund drivers", prompt=PROMPT, variables=VARIABLES)


def url(name: str, task: Task | None = None) -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme", **({"task_id": task.pk} if task else {})})


def body(agent, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    sent: dict[str, Any] = {"name": "Report", "agent": agent.pk, "prompt": "Count.", "variables-TOTAL_FORMS": len(rows)}
    for n, row in enumerate(rows):
        sent |= {f"variables-{n}-{name}": value for name, value in ({"type": "text"} | row).items()}
    return sent | {"variables-INITIAL_FORMS": 0} | more


# ---- The list


def test_the_list_shows_each_task_with_its_last_run(as_alice, task, agent):
    RunFactory(agent=agent, task=task, status=RunStatus.FAILED, finished_at=timezone.now())
    RunFactory(agent=agent, task=task, status=RunStatus.SUCCEEDED, finished_at=timezone.now(), cost_usd=Decimal("0.38"))
    TaskFactory(agent=agent, name="Weekly digest")

    text = Page(as_alice.get(url("task_list")).text).text

    assert "Refund drivers" in text
    assert "$0.38" in text
    assert "Failed" not in text
    assert "Never run" in text


def test_the_list_is_searched_and_filtered(as_alice, team, task):
    other = TaskFactory(agent=AgentFactory(team=team), name="Weekly digest")

    assert "Weekly digest" not in as_alice.get(url("task_list"), {"q": "refund"}).text
    assert "Refund drivers" not in as_alice.get(url("task_list"), {"agent": other.agent_id}).text
    assert "No tasks match" in as_alice.get(url("task_list"), {"q": "nothing like that"}).text


def test_the_list_asks_a_constant_number_of_times(as_alice, agent, django_assert_max_num_queries):
    for _ in range(10):
        RunFactory(agent=agent, task=TaskFactory(agent=agent))

    as_alice.get(url("task_list"))  # a session is noted when it is first seen

    with django_assert_max_num_queries(12):
        as_alice.get(url("task_list"))


def test_an_empty_list_teaches_and_deleted_tasks_are_gone(as_alice, task, other_team):
    TaskFactory(agent=AgentFactory(team=other_team), name="Theirs")
    assert "Theirs" not in as_alice.get(url("task_list")).text

    as_alice.post(url("task_remove", task))

    assert "No tasks yet" in as_alice.get(url("task_list")).text


# ---- The editor


def test_a_task_is_made_with_typed_variables_and_limits(as_alice, agent):
    rows = [
        {"name": "month", "type": "choice", "choices": "May\r\nJune\r\n", "required": "on", "label": "Month"},
        {"name": "words", "type": "number", "default": "180"},
    ]
    sent = body(agent, *rows, prompt="Refunds of {{month}}\r\nin {{ words }} words.", review="on")
    sent |= {"max_cost_usd": "0.50", "timeout_min": "10", "required_artifacts": "report.md\nchart.svg\n\nreport.md"}

    response = as_alice.post(url("task_new"), sent | {"output_schema": '{"type": "object"}'})

    made = Task.objects.get()
    assert response.url == url("task_detail", made)
    assert made.prompt == "Refunds of {{month}}\nin {{ words }} words."
    assert made.variables == [
        {"name": "month", "type": "choice", "required": True, "label": "Month", "choices": ["May", "June"]},
        {"name": "words", "type": "number", "required": False, "default": "180"},
    ]
    assert (made.review, made.max_cost_usd, made.timeout_s) == (True, Decimal("0.50"), 600)
    assert made.required_artifacts == ["report.md", "chart.svg"]
    assert made.output_schema == {"type": "object"}


def test_an_undeclared_or_unused_variable_is_an_error_at_its_field(as_alice, agent):
    sent = body(agent, {"name": "used"}, {"name": "unused"}, {"name": "Bad name"}, prompt="{{used}} {{other}}")

    response = as_alice.post(url("task_new"), sent)

    assert response.status_code == 422
    assert "{{other}} is not declared as a variable." in response.context["form"].errors["prompt"]
    rows = list(response.context["rows"])
    assert not rows[0].errors
    assert "{{unused}} does not appear in the prompt." in rows[1].errors["name"]
    assert "Use small letters, digits and _ for the name." in rows[2].errors["name"]
    assert Task.objects.exists() is False


def test_a_choice_without_choices_and_a_bad_default_stand_at_their_rows(as_alice, agent):
    rows = [{"name": "a", "type": "choice"}, {"name": "b", "type": "number", "default": "many"}]

    response = as_alice.post(url("task_new"), body(agent, *rows, prompt="{{a}} {{b}}"))

    first, second = response.context["rows"]
    assert "List the choices of a." in first.errors["choices"]
    assert "'many' is not a number." in second.errors["default"]


def test_a_row_that_was_taken_out_or_left_blank_is_not_kept(as_alice, agent):
    rows = [{"name": "kept"}, {"name": "gone", "DELETE": "on"}, {"required": "on"}]

    as_alice.post(url("task_new"), body(agent, *rows, prompt="{{kept}}"))

    assert [v["name"] for v in Task.objects.get().variables] == ["kept"]


def test_without_javascript_the_blanks_of_the_prompt_become_rows(as_alice, agent):
    sent = body(agent, {"name": "a", "label": "First"}, prompt="{{a}} {{b}} {{c}}", detect="1")

    response = as_alice.post(url("task_new"), sent)

    assert response.status_code == 200
    assert [row["name"].value() for row in response.context["rows"]] == ["a", "b", "c"]
    assert Task.objects.exists() is False


@pytest.mark.parametrize(
    ("field", "value"),
    [("output_schema", "{not json"), ("output_schema", "[1]"), ("output_schema", '{"type": "nonsense"}'), ("name", "")],
)
def test_a_wrong_field_says_so_and_nothing_is_saved(as_alice, agent, field, value):
    response = as_alice.post(url("task_new"), body(agent, **{field: value}))

    assert response.status_code == 422
    assert response.context["form"].errors[field]
    assert Task.objects.exists() is False


@pytest.mark.parametrize("count", ["", "-1", "x", "100000"])
def test_a_mangled_number_of_rows_is_no_error_of_ours(as_alice, agent, count):
    response = as_alice.post(url("task_new"), body(agent) | {"variables-TOTAL_FORMS": count})

    assert response.status_code in (302, 422)


def test_a_task_is_changed_and_its_form_shows_what_is_saved(as_alice, task, agent):
    page = as_alice.get(url("task_edit", task))
    assert [row["name"].value() for row in page.context["rows"]] == [v["name"] for v in VARIABLES]
    assert page.context["rows"][0]["choices"].value() == "May\nJune"

    as_alice.post(url("task_edit", task), body(agent, name="New name", prompt="No blanks."))

    task.refresh_from_db()
    assert (task.name, task.variables) == ("New name", [])


# ---- One task


def test_the_page_asks_for_what_the_task_needs(as_alice, task):
    page = Page(as_alice.get(url("task_detail", task)).text)

    inputs = {one["name"]: one for one in page.all("input") if one.get("name", "").startswith("value-")}
    assert {name: one["type"] for name, one in inputs.items()} == {
        "value-words": "number",
        "value-as_of": "date",
        "value-tickets": "file",
    }
    assert inputs["value-words"]["value"] == "180"
    assert [o["value"] for o in page.all("option")] == ["May", "June"]
    assert "no runs yet" in page.text


def test_running_it_fills_the_prompt_and_attaches_the_file(as_alice, task):
    sent = {"value-month": "June", "value-words": "90", "value-note": "Line\r\ntwo {{month}}", "review": "on"}
    sent["value-tickets"] = SimpleUploadedFile("tickets.csv", b"a,b\n1,2\n")
    sent["attachments"] = SimpleUploadedFile("more.txt", b"x")

    response = as_alice.post(url("task_detail", task), sent)

    run = Run.objects.get()
    assert response.url == reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": run.pk})
    assert run.prompt == "Refunds of June in 90 words, as of . Line\ntwo {{month}} Use tickets.csv."
    assert sorted(run.inputs.values_list("name", flat=True)) == ["more.txt", "tickets.csv"]
    assert run.review is True


def test_missing_and_wrong_values_stand_at_their_fields(as_alice, task):
    response = as_alice.post(url("task_detail", task), {"value-month": "July", "value-words": "many"})

    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"value-month", "value-words", "value-tickets"}
    assert Run.objects.exists() is False


def test_the_estimate_comes_from_past_runs(as_alice, task, agent):
    finished = {"status": RunStatus.SUCCEEDED, "finished_at": timezone.now()}
    RunFactory(agent=agent, task=task, active_s=245, cost_usd=Decimal("0.18"), **finished)

    assert "About 4 m 05 s, $0.18" in Page(as_alice.get(url("task_detail", task)).text).text


def test_deleting_asks_first_and_says_what_stops(as_alice, task, agent):
    live = RunFactory(agent=agent, task=task)

    assert "It stops 1 run that is not finished" in " ".join(
        Page(as_alice.get(url("task_remove", task)).text).text.split()
    )
    live.refresh_from_db()
    assert live.status == RunStatus.QUEUED

    as_alice.post(url("task_remove", task))

    live.refresh_from_db()
    assert live.status == RunStatus.CANCELLED
    assert as_alice.get(url("task_detail", task)).status_code == 404


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text(as_alice, agent, text):
    text = text.replace("\x00", "")
    declared = [{"name": "a", "type": "choice", "choices": [text], "label": text, "help": text, "default": text}]
    task = TaskFactory(agent=agent, name=text[:100], prompt=f"{{{{a}}}} {text}", variables=declared)

    for name in ("task_detail", "task_edit", "task_remove"):
        assert Page(as_alice.get(url(name, task)).text).problems() == []
    assert Page(as_alice.get(url("task_list")).text).problems() == []


# ---- Who may


@pytest.mark.parametrize("name", ["task_detail", "task_edit", "task_remove"])
def test_an_outsider_gets_404(client, charlie, task, name):
    client.force_login(charlie)

    assert client.get(url(name, task)).status_code == 404
    assert client.get(reverse(f"tasks:{name}", kwargs={"team": "elsewhere", "task_id": task.pk})).status_code == 404


def test_a_viewer_may_look_but_not_change_or_run(client, team, task):
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)

    assert client.get(url("task_list")).status_code == 200
    assert "You are a viewer" in client.get(url("task_detail", task)).text
    for name in ("task_detail", "task_edit", "task_remove"):
        assert client.post(url(name, task)).status_code == 403
    assert client.get(url("task_new")).status_code == 403
    task.refresh_from_db()
    assert task.removed_at is None
    assert Run.objects.exists() is False
