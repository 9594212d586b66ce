"""Tools that only wait for the network: on the engine's loop, under the rules of every call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.db.models import F

from accounts.models import User
from tasks.models import HumanRequest, Run, Step
from tasks.services import answers
from tasks.services.runs import cancel_run
from tests.standins.slow import SlowService, slow_service
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tools.errors import OutcomeUnknown
from tools.spec import AsyncToolContext, Effect, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Fetch = Callable[..., str]


@pytest.fixture
def service() -> Iterator[SlowService]:
    with slow_service() as running:
        yield running


async def _get(url: str, key: str) -> str:
    """Return the body of the answer; closes the connection whatever happens."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nIdempotency-Key: {key}\r\n\r\n".encode())
        answer = await reader.read()
        return answer.partition(b"\r\n\r\n")[2].decode()
    finally:
        writer.close()


@pytest.fixture
def fetch(tool: Callable[..., str], service: SlowService) -> Fetch:
    """Make a tool that waits for the service: `fetch(effect=…)` returns its name."""

    async def run(ctx: AsyncToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        await ctx.begin_effect()
        ctx.reporter.log(text=f"asks on {threading.current_thread().name}")
        text = await _get(service.url, ctx.idempotency_key)
        return ToolResult(content=text, summary="Fetched")

    def make(**spec: Any) -> str:
        more: dict[str, Any] = {"effect": Effect.READ_ONLY, "timeout_s": 60.0} | spec
        return tool(None, run_async=run, **more)

    return make


def test_fifty_slow_calls_of_one_worker_take_no_threads(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"tool_threads": 1}
    name = fetch()
    scripted([call(name)], [say("Done.")])

    with engine():
        runs = [start(name) for _ in range(50)]
        until(lambda: service.waiting == 50)
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("tool")]
        service.answer.set()
        for run in runs:
            settled(run, "succeeded")

    assert threads == []
    assert sorted(service.requests) == sorted(f"{run.pk}:2" for run in runs)
    assert last(runs[0], "tool.finished")["preview"] == "done"
    assert last(runs[0], "log")["text"] == "asks on engine"


def test_calls_beyond_the_slots_wait_before_they_are_intended(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"async_calls": 2}
    name = fetch()
    scripted([call(name)], [say("Done.")])

    with engine():
        runs = [start(name) for _ in range(4)]
        until(lambda: service.waiting == 2)
        until(lambda: sum("model.finished" in types(run) or "model.started" in types(run) for run in runs) == 4)
        intended = Step.objects.filter(kind="tool").count()
        service.answer.set()
        for run in runs:
            settled(run, "succeeded")

    assert (intended, service.most_waiting, len(service.requests)) == (2, 2, 4)


@pytest.mark.promise("G12")
def test_a_cancel_ends_a_call_that_waits(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService, alice: User
) -> None:
    name = fetch()
    scripted([call(name)], [say("Done.")])

    with engine() as driver:
        run = start(name)
        until(lambda: service.waiting == 1)
        cancel_run(run=run, actor=alice)
        until(lambda: service.hung_up == 1)
        settled(run, "cancelled")
        until(lambda: driver._ports.async_slots._value == driver._config["async_calls"])

    assert len(service.requests) == 1
    assert "tool.finished" not in types(run)


def test_a_call_that_takes_too_long_is_cancelled_and_the_model_is_told(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService
) -> None:
    name = fetch(timeout_s=0.3)
    scripted([call(name)], [say("Done.")])

    with engine() as driver:
        run = settled(start(name), "succeeded")
        until(lambda: service.hung_up == 1)
        until(lambda: driver._ports.async_slots._value == driver._config["async_calls"])

    step = Step.objects.get(run=run, kind="tool")
    assert (step.status, step.result["content"]) == ("failed", "Probe did not finish within 0.3 s and was given up.")
    assert len(service.requests) == 1


@pytest.mark.promise("G5")
def test_an_effect_without_an_answer_in_time_asks_a_person(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService, alice: User
) -> None:
    name = fetch(timeout_s=0.3, effect=Effect.EFFECTFUL, announces_effect=True)
    scripted([call(name)], [say("Done.")])

    with engine():
        run = settled(start(name), "waiting")
        asked = HumanRequest.objects.get(run=run)
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "happened"})
        settled(run, "succeeded")

    assert asked.kind == "unknown_effect"
    assert len(service.requests) == 1


@pytest.mark.promise("G3")
def test_a_worker_that_loses_the_run_ends_its_call_and_writes_nothing(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService
) -> None:
    name = fetch()
    scripted([call(name)], [say("Done.")])

    with engine():
        run = start(name)
        until(lambda: service.waiting == 1)
        Run.objects.filter(pk=run.pk).update(epoch=F("epoch") + 1, worker="another")
        until(lambda: service.hung_up == 1)
        before = types(run)
        service.answer.set()

    assert types(run) == before
    assert Step.objects.get(run=run, kind="tool").status == "intent"


@pytest.mark.promise("G5")
@pytest.mark.parametrize(
    ("effect", "asked_about", "times"), [(Effect.EFFECTFUL, True, 1), (Effect.READ_ONLY, False, 2)]
)
def test_a_worker_that_stops_between_the_beginning_of_an_effect_and_its_answer(
    scripted: Play, start: Start, fetch: Fetch, service: SlowService, settings: Any,
    effect: Effect, asked_about: bool, times: int,
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"drain_s": 0.0}
    name = fetch(effect=effect, announces_effect=True)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = start(name)
        until(lambda: service.waiting == 1)
    assert Step.objects.get(run=run, kind="tool").effect_at is not None
    service.answer.set()

    with engine():
        settled(run, "waiting" if asked_about else "succeeded")

    assert HumanRequest.objects.filter(run=run, kind="unknown_effect").exists() is asked_about
    assert service.requests == [f"{run.pk}:2"] * times


@pytest.mark.promise("G5")
def test_the_beginning_of_an_effect_is_committed_before_it_on_the_loop(
    scripted: Play, start: Start, tool: Callable[..., str]
) -> None:
    seen: list[bool] = []

    def is_committed(run_id: str) -> bool:
        return Step.objects.filter(run_id=run_id, kind="tool", effect_at__isnull=False).exists()

    async def probe(ctx: AsyncToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        seen.append(await asyncio.to_thread(is_committed, ctx.run_id))
        await ctx.begin_effect()
        seen.append(await asyncio.to_thread(is_committed, ctx.run_id))
        return ToolResult(content="ok", summary="Probed")

    name = tool(None, run_async=probe, announces_effect=True)
    scripted([call(name)], [say("Done.")])
    with engine():
        settled(start(name), "succeeded")

    assert seen == [False, True]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyError("x"), TimeoutError()])
def test_what_breaks_before_an_effect_is_told_to_the_model(
    scripted: Play, start: Start, tool: Callable[..., str], error: BaseException
) -> None:
    async def probe(ctx: AsyncToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        raise error

    name = tool(None, run_async=probe, announces_effect=True)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name), "succeeded")

    assert last(run, "tool.finished")["summary"] == "Probe could not be carried out: a fault on this server"


@pytest.mark.promise("G5")
@pytest.mark.parametrize("error", [OutcomeUnknown("Nobody knows."), KeyError("x"), asyncio.CancelledError()])
def test_what_breaks_after_an_effect_began_asks_a_person(
    scripted: Play, start: Start, tool: Callable[..., str], error: BaseException
) -> None:
    async def probe(ctx: AsyncToolContext, arguments: Mapping[str, Any]) -> ToolResult:
        await ctx.begin_effect()
        raise error

    name = tool(None, run_async=probe, announces_effect=True)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name), "waiting")

    assert run.waiting_kind == "unknown_effect"
