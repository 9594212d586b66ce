"""Comparison of two runs, and the page that shows it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team
from agents.models import Agent
from tasks.models import Artifact, Run, RunKind, RunStatus, Step
from tasks.services.comparisons import MAX_LINES, compare_runs, compare_texts, in_step, line_of
from tests.factories import AgentFactory, RunFactory, StoredFileFactory
from tests.html import HOSTILE, Page

pytestmark = pytest.mark.django_db
MakeStep = Callable[..., Step]
PAGE = reverse("tasks:run_compare", args=["acme"])


@pytest.fixture
def agent(team: Team) -> Agent:
    return AgentFactory(team=team, name="Ana")


def done(agent: Agent, **more: Any) -> Run:
    values = {"status": RunStatus.SUCCEEDED, "started_at": timezone.now(), "finished_at": timezone.now()}
    return RunFactory(agent=agent, **values | more)


def tool_step(run: Run, index: int, content: str = "ok", **arguments: Any) -> Step:
    return Step.objects.create(
        run=run,
        index=index,
        kind="tool",
        status="done",
        tool="write_file",
        request=arguments,
        result={"content": content},
    )


def deliver(run: Run, path: str, sha256: str) -> Artifact:
    return Artifact.objects.create(
        team=run.team, run=run, path=path, file=StoredFileFactory(team=run.team, sha256=sha256)
    )


# ---- The comparison


def test_a_difference_names_lines_on_both_sides_and_leaves_out_what_is_equal() -> None:
    old = "\n".join(f"line {n}" for n in range(1, 21))

    told = compare_texts(old, old.replace("line 10", "other"))

    assert (told.added, told.removed) == (1, 1)
    assert [(line.kind, line.left, line.right, line.text) for line in told.lines][3:6] == [
        ("same", 9, 9, "line 9"),
        ("del", 10, None, "line 10"),
        ("add", None, 10, "other"),
    ]
    assert [line.text for line in told.lines if line.kind == "gap"] == ["6 equal lines", "7 equal lines"]


def test_equal_texts_have_no_difference_and_long_ones_are_cut() -> None:
    many = "\n".join(map(str, range(MAX_LINES + 1)))

    assert compare_texts("a\nb", "a\nb").lines == ()
    told = compare_texts(many, f"first\n{many}")
    assert (told.is_cut, told.added, told.removed) == (True, 1, 1)


def test_rows_keep_step_after_something_was_put_between() -> None:
    assert in_step("abd", "abcde", key=str) == [("a", "a"), ("b", "b"), (None, "c"), ("d", "d"), (None, "e")]
    assert in_step("axc", "ayc", key=str) == [("a", "a"), ("x", "y"), ("c", "c")]


def test_the_arguments_of_a_call_are_words_for_people(agent: Agent) -> None:
    step = tool_step(done(agent), 1, sql='SELECT "n"\nFROM t', limit=5, columns=["ä"])

    assert line_of(step).text == 'sql: SELECT "n" FROM t; limit: 5; columns: ["ä"]'


def test_runs_are_compared_in_all_that_they_did_and_were_given(agent: Agent) -> None:
    left = done(agent, output="One\nTwo", cost_usd=Decimal("0.10"), turns=4, input_tokens=100, prompt="Count.")
    right = done(agent, output={"n": 1}, cost_usd=Decimal("0.05"), turns=4, input_tokens=150, prompt="Sum.")
    Run.objects.filter(pk=right.pk).update(model_override="demo-2")
    right.refresh_from_db()
    for run, contents in ((left, ("ok", "three rows")), (right, ("ok", "four rows"))):
        for index, content in enumerate(contents, 1):
            tool_step(run, index, content, path=f"{index}.txt")
    tool_step(right, 3, path="more.txt")
    for run, path, sha256 in (
        (left, "a.md", "1" * 64),
        (right, "a.md", "1" * 64),
        (left, "b.md", "1" * 64),
        (right, "b.md", "2" * 64),
        (right, "c.md", "3" * 64),
    ):
        deliver(run, path, sha256)

    told = compare_runs(left, right)

    assert {figure.name: figure.change for figure in told.figures} == {
        "Cost": "−50%",  # noqa: RUF001
        "Working time": "same",
        "Model calls": "same",
        "Tool calls": "+50%",
        "Tokens in": "+50%",
        "Tokens out": "same",
    }
    assert [line.text for line in told.output.lines] == ["One", "Two", "{", '  "n": 1', "}"]
    assert [pair.state for pair in told.steps] == ["same", "result", "right"]
    assert [pair.state for pair in told.files] == ["same", "changed", "right"]
    assert [(one.name, one.left, one.right) for one in told.settings] == [("Model", "demo-1", "demo-2")]
    assert [(line.kind, line.text) for line in told.prompt.lines] == [("del", "Count."), ("add", "Sum.")]
    assert (told.instructions.lines, told.is_live) == ((), False)


# ---- The page


def test_two_runs_stand_side_by_side(as_alice: Client, agent: Agent) -> None:
    left, right = done(agent, title="First", output="Eight"), done(agent, title="Second", output="Nine")
    tool_step(left, 1, path="a.txt")

    page = Page(as_alice.get(PAGE, {"left": left.pk, "right": right.pk}).text)

    for said in ("First", "Second", "Eight", "Nine", "1 of 1 differ", "only left", "Neither delivered a file."):
        assert said in page.text
    swapped = f"?left={right.pk}&right={left.pk}"
    assert swapped in [link["href"] for link in page.all("a")]
    assert not [part for part in page.all("div") if "data-live" in part]


def test_equal_runs_are_said_to_be_equal(as_alice: Client, agent: Agent) -> None:
    left, right = done(agent, output="Same"), done(agent, output="Same")

    text = Page(as_alice.get(PAGE, {"left": left.pk, "right": right.pk}).text).text

    assert "Both gave the same answer, word for word." in text
    assert "The same prompt, agent, model and limits." in text


def test_what_still_runs_is_compared_as_it_is_and_followed(as_alice: Client, agent: Agent) -> None:
    queued = RunFactory(agent=agent)

    page = Page(as_alice.get(PAGE, {"left": queued.pk, "right": queued.pk}).text)

    assert "Not finished yet." in page.text
    assert "Both sides are the same run." in page.text
    assert "Neither has answered yet." in page.text
    assert [part["id"] for part in page.all("div") if "data-live" in part and "id" in part] == ["comparison"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text_in_a_comparison(as_alice: Client, agent: Agent, text: str) -> None:
    clean = text.replace("\x00", "")
    left = done(agent, title=clean, output=clean, prompt=clean)
    right = done(agent, title="Fine", output="Fine", prompt="Fine")
    tool_step(left, 1, path=clean)
    deliver(left, clean, "1" * 64)

    page = Page(as_alice.get(PAGE, {"left": left.pk, "right": right.pk}).text)

    assert page.problems() == []
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_with_one_run_the_page_offers_its_relatives(as_alice: Client, agent: Agent) -> None:
    origin, other = done(agent, title="Origin"), done(agent, title="Other")
    fork = done(agent, title="Fork", forked_from=origin)
    replay = done(agent, title="Again", forked_from=fork, kind=RunKind.REPLAY)
    stranger = done(AgentFactory(team=agent.team), title="Stranger")

    page = Page(as_alice.get(PAGE, {"left": fork.pk}).text)

    assert [why for why in ("Where it came from", "A replay of it", "The same agent") if why not in page.text] == []
    links = [link["href"] for link in page.all("a") if "right=" in link.get("href", "")]
    assert links == [f"?left={fork.pk}&right={one.pk}" for one in (origin, replay, other)]
    assert str(stranger.pk) not in str(links)


def test_a_run_alone_and_no_run_at_all_say_what_to_do(as_alice: Client, agent: Agent) -> None:
    alone = Page(as_alice.get(PAGE, {"right": done(agent).pk}).text).text
    nothing = Page(as_alice.get(PAGE).text).text

    assert "Nothing to compare with yet" in alone
    assert "Choose two runs" in nothing


def test_a_run_of_another_team_is_not_found(as_alice: Client, agent: Agent, other_team: Team) -> None:
    mine, theirs = done(agent), done(AgentFactory(team=other_team))

    answers = [
        as_alice.get(PAGE, {"left": mine.pk, "right": right}).status_code for right in (theirs.pk, uuid4(), "nonsense")
    ]

    assert answers == [404, 404, 404]


def test_the_list_sends_exactly_two(as_alice: Client, agent: Agent) -> None:
    older, newer = done(agent), done(agent)

    two = as_alice.get(PAGE, {"run": [newer.pk, older.pk]})
    three = as_alice.get(PAGE, {"run": [newer.pk, older.pk, done(agent).pk]}, follow=True)

    assert two["Location"] == f"{PAGE}?left={older.pk}&right={newer.pk}"
    assert "Choose two runs to compare; you chose 3." in three.text


def test_the_menu_of_a_run_leads_to_the_comparison(as_alice: Client, agent: Agent) -> None:
    run = done(agent)

    page = Page(as_alice.get(reverse("tasks:run_detail", args=["acme", run.pk])).text)

    assert f"{PAGE}?left={run.pk}" in [link["href"] for link in page.all("a")]
