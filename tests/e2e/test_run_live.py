"""Live view of a run in a real browser: updates, broken connections, shared links."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, WebSocketRoute, expect

from storage.services import save_file
from tasks import event_log, events
from tasks.call_digest import digest
from tasks.models import Artifact, HumanRequest, Run, RunShare, RunStatus
from tasks.services import answers, shares
from tests.factories import AgentFactory, RunFactory

Open = Callable[..., Page]
CALL = {"step": 2, "call_id": "c1", "tool": "query_table"}
AT_END = """() => {
    const dock = document.querySelector(".dock");
    const stop = dock.parentElement.getBoundingClientRect().bottom + parseFloat(getComputedStyle(dock).bottom);
    return scrollY > 0 && Math.abs(stop - innerHeight) <= 1;
}"""  # where the activity ends; on a phone above the tab bar, and the plan, the budget and the details come below it


@pytest.fixture
def run(team, alice) -> Run:
    agent = AgentFactory(team=team, name="Ana", hue="teal", icon="chart-column")
    leased = {"status": RunStatus.RUNNING, "lease_expires_at": timezone.now() + timedelta(hours=1)}
    run = RunFactory(agent=agent, created_by=alice, title="What drives refunds?", started_at=timezone.now(), **leased)
    event_log.append(run, events.RunCreated(title=run.title, kind="direct", agent="Ana", version=1, by="Alice"))
    return run


def path(run: Run) -> str:
    return reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": run.pk})


def say(run: Run, *numbers: int) -> None:
    for n in numbers:
        event_log.append(run, events.Message(step=n, role="agent", text=f"Word {n}."))


def words(page: Page) -> list[str]:
    return re.findall(r"Word \d+\.", page.locator("#run-activity").inner_text())


def move(run: Run, status: str, **more: object) -> None:
    Run.objects.filter(pk=run.pk).update(status=status, lease_expires_at=None, **more)
    run.refresh_from_db()


def ask(run: Run, title: str, kind: str = "question", **more: object) -> HumanRequest:
    move(run, RunStatus.WAITING, waiting_kind=kind)
    asked = HumanRequest.objects.create(team=run.team, run=run, kind=kind, title=title, **more)
    waiting = events.RunWaiting(kind=kind, request=str(asked.pk))
    event_log.append(run, events.HumanRequested(request=str(asked.pk), kind=kind, title=title), waiting)
    return asked


def test_a_watched_run_grows_asks_and_ends_by_itself(open_page: Open, shot, alice, run):
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    expect(page).to_have_title("Running · What drives refunds? · Deskhand")

    said = {"title": "Query a table", "headline": "Query: SELECT 1", "arguments": {"sql": "SELECT 1"}}
    event_log.append(run, events.ToolStarted(**CALL, **said))
    line = page.locator("#call-c1")
    expect(line.locator(".shimmer")).to_have_text("Query: SELECT 1")
    table = {"columns": ["cause", "n"], "rows": [["Late <b>parcel</b>", 41]], "row_count": 1}
    event_log.append(
        run, events.ToolFinished(**CALL, summary="Got 1 row", is_error=False, duration_s=1.2, payload=table)
    )
    expect(line.locator(".what")).to_have_text("Got 1 row")
    line.locator("summary").click()
    expect(line.get_by_role("cell", name="Late <b>parcel</b>")).to_be_visible()

    event_log.publish([(event_log.run_channel(run.pk), {"step": 3, "delta": "I am wri"})])
    event_log.publish([(event_log.run_channel(run.pk), {"step": 3, "delta": "ting **it**"})])
    expect(page.locator("#run-typing")).to_have_text("I am writing **it**")
    event_log.append(run, events.Message(step=3, role="agent", text="I am writing **it** down."))
    expect(page.locator("#run-typing")).to_have_count(0)
    expect(page.locator("#run-activity strong")).to_have_text("it")

    ask(run, "Which column?", choices=["refunded", "refund_usd"])
    expect(page.locator("#run-status")).to_have_text("Needs you")
    expect(page.get_by_role("heading", name="Which column?")).to_be_visible()
    expect(page.locator("#run-announce")).to_have_text("Needs you: Which column?")
    expect(page).to_have_title("Waiting for you · What drives refunds? · Deskhand")
    shot(page, "run-asks")
    page.get_by_role("button", name="refunded", exact=True).click()
    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
    expect(page.locator("#run-activity")).to_contain_text("Alice answered refunded")

    move(run, RunStatus.SUCCEEDED, finished_at=timezone.now(), output="**41 %** come late.", active_s=134)
    event_log.append(run, events.RunFinished(status="succeeded", active_s=134, cost_usd="0.060000"))
    expect(page.locator("#run-outcome")).to_contain_text("Finished in 2 m 14 s")
    expect(page.locator("#run-connection")).to_contain_text("History")
    expect(page).to_have_title("Done · What drives refunds? · Deskhand")
    page.get_by_role("tab", name="Result").click()
    expect(page.locator("#run-result strong")).to_have_text("41 %")
    shot(page, "run-ended")


def test_somebody_elses_answer_closes_the_form(open_page: Open, alice, bob, run):
    page = open_page(alice)
    page.goto(path(run))
    asked = ask(run, "Which column?")
    expect(page.get_by_role("heading", name="Which column?")).to_be_visible()

    answers.answer_request(asked=asked, actor=bob, answer={"value": "refunded"})

    expect(page.get_by_role("heading", name="Which column?")).to_have_count(0)
    expect(page.locator("#run-activity")).to_contain_text("Bob answered refunded")


def test_what_is_being_typed_survives_news(open_page: Open, alice, run):
    page = open_page(alice)
    page.goto(path(run))
    ask(run, "Which column?")
    page.get_by_label("Your answer").fill("The one with")

    with page.expect_response("**/state/") as answer:
        event_log.append(run, events.RunQueued(reason="handover"), events.RunWaiting(kind="question"))
    expect(page.locator("#run-activity")).to_contain_text("Handed over to another worker")
    answer.value.finished()
    page.evaluate("() => new Promise(requestAnimationFrame)")  # wait until the page has drawn it

    expect(page.get_by_label("Your answer")).to_have_value("The one with")


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_the_request_that_is_edited_comes_into_view(open_page: Open, alice, run, phone):
    call = {"tool": "write_file", "arguments": {"path": "a.txt", "content": "one\n" * 40}}
    ask(run, "Write a.txt", kind="approval", call_id="c1", digest=digest(**call), **call)
    page = open_page(alice, phone=phone)
    page.goto(path(run))
    field = page.get_by_label("path", exact=True)
    expect(field).to_be_hidden()

    page.get_by_text("Edit the request").click()

    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    field.press("a")  # a letter in the field, not the shortcut "allow"
    expect(field).to_have_value(re.compile("a.*a"))
    assert HumanRequest.objects.get().status == "open"


def test_a_broken_connection_loses_and_repeats_nothing(open_page: Open, alice, run):
    page = open_page(alice)
    sockets: list[WebSocketRoute] = []
    cut = [False]

    def route(socket: WebSocketRoute) -> None:
        if cut[0]:
            socket.close(code=4000)
            return
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile(r"/ws/runs/"), route)
    page.goto(path(run))
    say(run, 1, 2, 3)
    expect(page.locator("#run-activity")).to_contain_text("Word 3.")

    cut[0] = True
    sockets[-1].close(code=4000)
    expect(page.locator("#run-banner")).to_contain_text("The agent keeps working; nothing is lost.")
    say(run, 4, 5)
    cut[0] = False

    expect(page.locator("#run-activity")).to_contain_text("Word 5.")
    expect(page.locator("#run-banner")).to_be_hidden()
    for n in range(6, 16):
        sockets[-1].close(code=4000)
        say(run, n)
        expect(page.locator("#run-activity")).to_contain_text(f"Word {n}.")
    assert words(page) == [f"Word {n}." for n in range(1, 16)]


def test_where_no_socket_gets_through_the_page_asks(open_page: Open, alice, run):
    page = open_page(alice)
    page.route_web_socket(re.compile(r"/ws/runs/"), lambda socket: socket.close(code=4000))
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Every 2 s")

    say(run, 1, 2)
    expect(page.locator("#run-activity")).to_contain_text("Word 2.")
    move(run, RunStatus.CANCELLED, finished_at=timezone.now())
    event_log.append(run, events.RunFinished(status="cancelled"))

    expect(page.locator("#run-connection")).to_contain_text("History")
    assert words(page) == ["Word 1.", "Word 2."]


def test_a_long_run_keeps_its_page_short_and_its_past_at_hand(open_page: Open, alice, run):
    say(run, *range(1, 700))
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    say(run, *range(700, 850))
    expect(page.locator("#run-activity")).to_contain_text("Word 849.")

    assert page.locator("#run-activity > li").count() <= 500
    for _ in range(4):
        button = page.get_by_role("link", name="Show earlier events")
        if not button.is_visible():
            break
        before = page.locator("#run-activity > li").count()
        button.click()
        page.wait_for_function("n => document.querySelectorAll('#run-activity > li').length > n", arg=before)

    assert words(page) == [f"Word {n}." for n in range(1, 850)]


def test_a_person_who_scrolled_up_is_left_alone(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    say(run, 60)
    expect(page.locator("#run-activity")).to_contain_text("Word 60.")

    page.mouse.move(640, 500)
    page.mouse.wheel(0, -9000)
    page.wait_for_function("() => scrollY === 0")
    say(run, 61, 62)

    expect(page.locator("#run-pill")).to_have_text("2 new events")
    assert page.evaluate("() => scrollY") == 0
    page.get_by_role("button", name="2 new events").click()
    expect(page.locator("#run-pill")).to_have_count(0)
    assert page.evaluate(AT_END)


def test_a_live_run_opens_at_its_end_and_the_first_news_drag_nobody_there(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice)
    sockets: list[WebSocketRoute] = []
    page.route_web_socket(re.compile(r"/ws/runs/"), lambda socket: sockets.append(socket))
    page.goto(path(run))
    page.wait_for_function(AT_END)

    page.evaluate("() => scrollTo(0, 0)")
    while not sockets:  # the page has opened it; Playwright reports it a little later
        page.wait_for_timeout(10)
    sockets[0].send(json.dumps({"kind": "delta", "step": "60", "text": "Some words"}))

    expect(page.locator("#run-typing")).to_have_text("Some words")
    assert page.evaluate("() => scrollY") == 0


@pytest.mark.parametrize("look", [{}, {"phone": True}], ids=["desk", "phone"])
def test_the_page_follows_to_the_newest_line_and_the_message_box(open_page: Open, shot, alice, run, look, request):
    say(run, *range(1, 60))
    page = open_page(alice, **look)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
    page.wait_for_function(AT_END)

    say(run, 60, 61)

    newest, box = page.locator("#run-activity > li").last, page.get_by_label("Message the agent")
    expect(newest).to_contain_text("Word 61.")
    page.wait_for_function(AT_END)
    expect(newest).to_be_in_viewport(ratio=1)
    expect(box).to_be_in_viewport(ratio=1)
    shot(page, f"follow-{request.node.callspec.id}", whole=False)


def test_a_person_who_reads_the_budget_below_is_left_alone(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice, phone=True)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
    page.wait_for_function(AT_END)

    page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
    say(run, 60, 61)

    expect(page.locator("#run-activity")).to_contain_text("Word 61.")
    expect(page.locator("#run-pill")).to_contain_text("new event")
    expect(page.locator("#run-details")).to_be_in_viewport()


def test_news_in_the_moment_of_scrolling_up_drag_nobody_down(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    page.wait_for_function(AT_END)

    # The person scrolls while the line is being appended, before any scroll event has reached the page.
    page.locator("#run-activity").evaluate("""list => {
        list.append = (...lines) => { scrollTo(0, 0); Element.prototype.append.apply(list, lines); };
    }""")
    say(run, 60)
    expect(page.locator("#run-pill")).to_have_text("1 new event")
    assert page.evaluate("() => scrollY") == 0

    page.locator("#run-activity").evaluate("list => { delete list.append; }")
    page.get_by_role("button", name="1 new event").click()
    say(run, *range(61, 120))
    expect(page.locator("#run-activity")).to_contain_text("Word 119.")
    assert page.evaluate(AT_END)
    assert page.locator("#run-pill").count() == 0


def test_the_wheel_leads_up_while_words_come_in(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_contain_text("Live")
    page.wait_for_function(AT_END)

    # Each line comes right after a wheel notch that stays within the range in which the page follows.
    page.locator("#run-activity").evaluate("""list => {
        list.append = (...lines) => {
            dispatchEvent(new WheelEvent("wheel", { deltaY: -50 }));
            scrollBy(0, -50);
            Element.prototype.append.apply(list, lines);
        };
    }""")
    before = page.evaluate("() => scrollY")
    say(run, 60, 61, 62)
    expect(page.locator("#run-activity")).to_contain_text("Word 62.")

    assert page.evaluate("() => scrollY") == before - 150
    expect(page.locator("#run-pill button")).to_be_visible()


def test_a_touch_of_the_wheel_holds_the_page_for_a_moment_only(open_page: Open, alice, run):
    say(run, *range(1, 60))
    page = open_page(alice)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
    page.wait_for_function(AT_END)

    # One wheel notch without effect, at the moment at which a line comes, and nothing after it.
    page.locator("#run-activity").evaluate("""list => {
        list.append = (...lines) => {
            dispatchEvent(new WheelEvent("wheel", { deltaY: -1 }));
            Element.prototype.append.apply(list, lines);
            delete list.append;
        };
    }""")
    with page.expect_event("console", lambda said: said.text == "held"):
        page.evaluate("""() => new MutationObserver((changes, watch) => {
            if (!document.getElementById("run-pill")) return;
            watch.disconnect();
            console.log("held");
        }).observe(document.body, { childList: true, subtree: true })""")
        say(run, 60)

    expect(page.locator("#run-pill")).to_have_count(0)
    page.wait_for_function(AT_END)
    expect(page.locator("#run-activity > li").last).to_contain_text("Word 60.")


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"phone": True}], ids=["light", "dark", "phone"])
def test_the_pill_stands_above_what_waits_for_a_person(open_page: Open, shot, alice, run, look, request):
    say(run, *range(1, 60))
    page = open_page(alice, **look)
    page.goto(path(run))
    expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
    page.wait_for_function(AT_END)
    page.evaluate("() => scrollTo(0, 0)")

    ask(run, "Which column should I measure?", choices=["refunded", "refund_usd"])
    question = page.locator("#run-dock .approval")
    expect(question).to_be_visible()
    pill = page.locator("#run-pill button")
    expect(pill).to_be_visible()
    question.evaluate("one => Promise.all(one.getAnimations({ subtree: true }).map((each) => each.finished))")

    above, below = pill.bounding_box(), question.bounding_box()
    assert above["y"] + above["height"] <= below["y"]
    assert below["y"] - above["y"] - above["height"] < 32
    shot(page, f"pill-{request.node.callspec.id}", whole=False)


def test_without_javascript_the_page_shows_and_answers(open_page: Open, alice, run):
    say(run, 1)
    asked = ask(run, "Which column?", choices=["refunded", "refund_usd"])
    page = open_page(alice, scripts=False)
    page.goto(path(run))

    expect(page.locator("#run-activity")).to_contain_text("Word 1.")
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    page.get_by_role("button", name="refund_usd").click()

    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
    asked.refresh_from_db()
    assert asked.answer == {"value": "refund_usd"}


def test_a_shared_link_is_live_and_ends_when_it_is_revoked(open_page: Open, shot, alice, run):
    _, token = shares.share_run(run=run, actor=alice)
    page = open_page()
    page.goto(reverse("shares:run", kwargs={"token": token}))
    expect(page.locator("#run-connection")).to_contain_text("Live")

    say(run, 1)
    expect(page.locator("#run-activity")).to_contain_text("Word 1.")
    ask(run, "Which column?")
    expect(page.get_by_role("heading", name="Which column?")).to_be_visible()
    expect(page.locator("form")).to_have_count(0)
    shot(page, "run-shared")
    shares.revoke_share(share=RunShare.objects.get(), actor=alice)

    expect(page.locator("#run-banner")).to_contain_text("not yours to see any more")


def test_the_waterfall_and_the_log_come_when_they_are_looked_at(open_page: Open, alice, run):
    event_log.append(run, events.ModelStarted(step=1, model="demo-1", attempt=1), events.Log(text="<i>noted</i>"))
    page = open_page(alice)
    page.goto(path(run) + "#timeline")
    expect(page.locator("#p-timeline .wf-row")).to_have_count(1)
    marks = [mark.bounding_box() for mark in page.locator(".wf-axis time").all() if mark.is_visible()]
    assert len(marks) == 3  # of five, for lack of room beside the plan
    assert all(left["x"] + left["width"] < right["x"] for left, right in pairwise(marks))

    page.get_by_role("tab", name="Everything").click()
    expect(page.locator("#run-log")).to_contain_text("<i>noted</i>")
    event_log.append(run, events.Error(code="tool_error", detail="It broke."))
    expect(page.locator("#run-log")).to_contain_text("It broke.")
    page.get_by_label("Problems only").check()
    expect(page.locator("#run-log > div:visible")).to_have_count(1)


def test_a_phone_says_which_run_it_is_when_the_title_is_scrolled_away(open_page: Open, shot, alice, run):
    say(run, *range(1, 31))
    page = open_page(alice, phone=True)
    page.goto(path(run))
    bar = page.locator("#run-bar > div")
    expect(bar).to_be_visible()  # a live run opens at its end
    expect(bar).to_contain_text("Running")
    expect(bar).to_contain_text("What drives refunds?")
    tabs = page.locator(".run-head > .tabs").bounding_box()
    shown = bar.bounding_box()
    assert shown is not None
    assert tabs is not None
    assert shown["y"] == 0
    assert shown["y"] + shown["height"] == tabs["y"]
    shot(page, "run-title-phone", whole=False)

    ask(run, "Which column?")
    expect(bar).to_contain_text("Needs you")
    page.evaluate("window.scrollTo({top: 0})")
    expect(bar).not_to_be_visible()


def test_a_finished_run_opens_on_its_report_with_the_chart_in_it(open_page: Open, shot, alice, run):
    for name, text in [
        ("report.md", b"# Refunds in May\n\n41 % come late.\n\n![By cause](chart.svg)\n"),
        ("chart.svg", b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="90" height="90"/>'),
        ("map.svg", b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="80" height="80"/>'),
    ]:
        stored = save_file(team_id=run.team_id, name=name, content=text)
        Artifact.objects.create(team=run.team, run=run, path=name, file=stored)
    move(run, RunStatus.SUCCEEDED, finished_at=timezone.now(), output="**41 %** come late.", active_s=134)
    page = open_page(alice)
    page.goto(path(run))

    report = page.get_by_role("heading", name="Refunds in May")
    expect(report).to_be_in_viewport()
    expect(page.get_by_role("img", name="By cause")).to_be_in_viewport()
    pictures = page.locator("[data-picture]:not([hidden])")
    expect(pictures).to_have_count(1)
    expect(pictures).to_contain_text("map.svg")
    expect(page.get_by_role("heading", name="What it did")).to_be_in_viewport()
    expect(page.get_by_role("button", name="View result")).not_to_be_visible()
    page.get_by_role("tab", name="Activity").click()
    page.get_by_role("button", name="View result").click()
    expect(report).to_be_visible()
    shot(page, "run-result")


def test_a_run_in_review_opens_at_the_top_of_its_result(open_page: Open, alice, run):
    say(run, *range(1, 31))
    move(run, RunStatus.NEEDS_REVIEW, output="\n\n".join(f"Finding {n}." for n in range(40)))
    HumanRequest.objects.create(team=run.team, run=run, kind="review", title="Review: What drives refunds?")
    page = open_page(alice, phone=True)
    page.goto(path(run))

    expect(page.locator("#run-connection")).to_have_attribute("data-state", "live")
    expect(page.get_by_text("Finding 0.")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Approve")).to_be_in_viewport()
    expect(page.locator("#run-bar > div")).not_to_be_visible()


def test_a_queued_run_moves_up_the_line_while_one_looks(open_page: Open, alice, run):
    first = RunFactory(agent=run.agent, queued_at=timezone.now() - timedelta(minutes=2))
    waiting = RunFactory(agent=run.agent, title="Stock report")
    event_log.append(waiting, events.RunQueued(reason="created"))
    page = open_page(alice)
    page.goto(path(waiting))
    expect(page.locator("#run-dock")).to_contain_text("Queued, 2nd in line")
    expect(page.locator("#run-connection")).to_contain_text("Live")

    first.move_to(RunStatus.CANCELLED)
    event_log.append(first, events.RunFinished(status="cancelled"))
    expect(page.locator("#run-dock")).to_contain_text("Queued, next in line")
