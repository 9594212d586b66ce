"""Hub of the live view. History and live events come without gap or repeat, whatever messages are lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.utils import timezone

from config.asgi import application
from config.embedded.ports import free_port
from tasks import event_log, events
from tasks.live import hub
from tasks.models import Run, RunStatus
from tests.factories import RunFactory
from tests.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def watching() -> AsyncIterator[hub.Hub]:
    made = hub.Hub()
    yield made
    await made.close()


def _log(run: Run, first: int, count: int) -> None:
    for n in range(first, first + count):
        event_log.append(run, events.Log(text=f"line {n}"))


def _finish(run: Run) -> None:
    with transaction.atomic():
        run.move_to(RunStatus.CANCELLED)
        event_log.append(run, events.RunFinished(status="cancelled"))


def _fail(run: Run) -> None:
    with transaction.atomic():
        run.move_to(RunStatus.FAILED)
        event_log.append(run, events.RunFinished(status="failed"))


def _continue(run: Run) -> None:
    with transaction.atomic():
        run.move_to(RunStatus.QUEUED)
        event_log.append(run, events.RunContinued(by="Alice", step=0))


def in_thread(work: Any, *args: Any) -> Any:
    """Run `work` on another thread with its own connection, as a worker does."""

    def alone() -> None:
        try:
            work(*args)
        finally:
            connections.close_all()

    return sync_to_async(alone, thread_sensitive=False)()


@pytest.fixture
def run() -> Run:
    made: Run = RunFactory()
    return made


async def collect(made: hub.Hub, run: Run, after: int = 0) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        return [frame.body async for frame in made.watch(run.pk, after)]


@pytest.mark.promise("G8")
async def test_history_then_caught_up_then_live_then_end(watching: hub.Hub, run: Run) -> None:
    await in_thread(_log, run, 1, 3)
    seen: list[Any] = []

    async def look() -> None:
        async for frame in watching.watch(run.pk, 1):
            seen.append(frame.body.get("seq", frame.body["kind"]))
            if frame.body["kind"] == "caught_up":
                await in_thread(_log, run, 4, 2)
                await in_thread(_finish, run)

    await asyncio.wait_for(look(), PATIENCE_S)

    assert seen == [2, 3, 3, 4, 5, 6, "end"]


@pytest.mark.promise("G8")
async def test_a_viewer_that_reconnects_30_times_during_2000_events_has_each_once(watching: hub.Hub, run: Run) -> None:
    seen: list[int] = []
    chance = random.Random(7)  # noqa: S311
    writing = asyncio.create_task(in_thread(_log, run, 1, 2000))
    stays = [chance.randint(1, 60) for _ in range(30)]
    for stay in stays:
        frames = watching.watch(run.pk, seen[-1] if seen else 0)
        async for frame in frames:
            if frame.body["kind"] == "event":
                seen.append(frame.seq)
                stay -= 1
            if not stay:
                break
        await frames.aclose()  # type: ignore[attr-defined]
    await writing
    await in_thread(_finish, run)
    seen += [body["seq"] for body in await collect(watching, run, seen[-1]) if body["kind"] == "event"]

    assert seen == list(range(1, 2002))


@pytest.mark.promise("G8")
async def test_a_viewer_that_joins_others_has_nothing_twice(
    watching: hub.Hub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "publish", lambda messages: None)
    monkeypatch.setattr(hub, "POLL_S", 60.0)  # only a joining viewer reads the table
    await in_thread(_log, run, 1, 3)
    first, second = watching.watch(run.pk, 0), watching.watch(run.pk, 0)
    assert [(await anext(first)).body["seq"] for _ in range(4)] == [1, 2, 3, 3]
    await in_thread(_log, run, 4, 2)

    seen = [(await anext(second)).body["seq"] for _ in range(6)]
    await in_thread(_finish, run)
    await collect(watching, run, 5)
    seen += [frame.body.get("seq") async for frame in second]

    assert seen == [1, 2, 3, 4, 5, 5, 6, None]
    assert [frame.body.get("seq") async for frame in first] == [4, 5, 6, None]


@pytest.mark.promise("G2", "G8")
async def test_without_hints_the_table_is_looked_at(
    watching: hub.Hub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "publish", lambda messages: None)
    monkeypatch.setattr(hub, "POLL_S", 0.1)

    async def look() -> list[int]:
        seen = []
        async for frame in watching.watch(run.pk, 0):
            if frame.body["kind"] == "caught_up":
                await in_thread(_log, run, 1, 5)
                await in_thread(_finish, run)
            if frame.body["kind"] == "event":
                seen.append(frame.seq)
        return seen

    assert await asyncio.wait_for(look(), PATIENCE_S) == [1, 2, 3, 4, 5, 6]


@pytest.mark.promise("G2", "G8")
async def test_a_viewer_that_comes_while_valkey_is_away_sees_all_at_once(settings: Any, run: Run) -> None:
    await in_thread(_log, run, 1, 3)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}"
    alone = hub.Hub()
    frames = alone.watch(run.pk, 0)

    async with asyncio.timeout(5):
        seen = [(await anext(frames)).body.get("seq") for _ in range(4)]

    assert seen == [1, 2, 3, 3]
    await frames.aclose()
    await alone.close()


@pytest.mark.promise("G8")
async def test_a_viewer_that_does_not_read_is_closed_and_the_others_go_on(
    watching: hub.Hub, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_BEHIND", 5)
    slow = watching.watch(run.pk, 0)
    assert (await anext(slow)).body["kind"] == "caught_up"
    quick = watching.watch(run.pk, 0)
    assert (await anext(quick)).body["kind"] == "caught_up"

    for n in range(20):
        await in_thread(_log, run, n + 1, 1)
        assert (await asyncio.wait_for(anext(quick), PATIENCE_S)).seq == n + 1
    await in_thread(_finish, run)

    assert [frame.body.get("seq") async for frame in quick] == [21, None]
    with pytest.raises(hub.TooSlow):
        async for _ in slow:
            pass


async def test_deltas_pass_through_and_are_not_stored(watching: hub.Hub, run: Run) -> None:
    async for frame in watching.watch(run.pk, 0):
        if frame.body["kind"] == "caught_up":
            hint = {"delta": "Hel", "step": 3}
            await in_thread(event_log.publish, [(event_log.run_channel(run.pk), hint)])
        if frame.body["kind"] == "delta":
            assert frame.body == {"kind": "delta", "step": "3", "text": "Hel"}
            break

    assert await run.events.acount() == 0


async def test_a_run_that_does_not_exist(watching: hub.Hub, run: Run) -> None:
    await Run.objects.filter(pk=run.pk).adelete()

    with pytest.raises(hub.Gone):
        await collect(watching, run)


async def test_a_cursor_that_no_event_has_reached_hides_nothing(watching: hub.Hub, run: Run) -> None:
    await in_thread(_log, run, 1, 3)
    seen: list[Any] = []

    async def look() -> None:
        async for frame in watching.watch(run.pk, 999_999):
            seen.append(frame.body.get("seq", frame.body["kind"]))
            if frame.body["kind"] == "caught_up":
                await in_thread(_finish, run)

    await asyncio.wait_for(look(), PATIENCE_S)

    assert seen == [3, 4, "end"]


async def test_the_servers_stop_closes_the_live_view(run: Run) -> None:
    made = hub.get_hub()
    assert (await anext(aiter(made.watch(run.pk, 0)))).body["kind"] == "caught_up"
    arriving = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(arriving)

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    await application({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert made._pool.closed
    assert hub.get_hub() is not made


async def test_a_run_that_was_continued_is_live_again_for_who_comes_and_for_who_comes_back(
    watching: hub.Hub, run: Run
) -> None:
    def go_on() -> None:
        with transaction.atomic():
            run.move_to(RunStatus.FAILED, error_code="model_error")
            event_log.append(run, events.RunFinished(status="failed"))
            run.move_to(RunStatus.QUEUED)
            event_log.append(run, events.RunContinued(by="Alice", step=1), events.RunQueued(reason="continued"))

    await in_thread(go_on)
    newcomer, returning = (watching.watch(run.pk, after) for after in (0, 1))
    early = [[await anext(frames) for _ in range(count)] for frames, count in ((newcomer, 4), (returning, 3))]
    assert [[frame.body.get("type") or frame.body["kind"] for frame in some] for some in early] == [
        ["run.finished", "run.continued", "run.queued", "caught_up"],
        ["run.continued", "run.queued", "caught_up"],
    ]

    await in_thread(_finish, run)

    for frames in (newcomer, returning):
        rest = [frame.body async for frame in frames]
        assert [body.get("type") or body["kind"] for body in rest] == ["run.finished", "end"]
        assert rest[-1] == {"kind": "end", "status": "cancelled"}


@pytest.mark.promise("G8")
async def test_who_stays_after_a_failed_run_sees_it_continued_and_its_second_end(watching: hub.Hub, run: Run) -> None:
    await in_thread(_fail, run)
    seen: list[Any] = []

    async def look() -> None:
        async for frame in watching.watch(run.pk, 0, stay=True):
            seen.append(frame.body.get("type") or [frame.body["kind"], frame.body.get("status")])
            if frame.body["kind"] == "end" and seen.count(["end", "failed"]) == 1 and len(seen) == 3:
                await in_thread(_continue, run)
                await in_thread(_finish, run)

    await asyncio.wait_for(look(), PATIENCE_S)

    assert seen == [
        "run.finished",
        ["caught_up", None],
        ["end", "failed"],
        "run.continued",
        "run.finished",
        ["end", "cancelled"],
    ]


async def test_a_live_viewer_that_does_not_stay_is_sent_away_at_the_failure(watching: hub.Hub, run: Run) -> None:
    seen: list[str] = []

    async def look() -> None:
        async for frame in watching.watch(run.pk, 0):
            seen.append(frame.body["kind"])
            if frame.body["kind"] == "caught_up":
                await in_thread(_fail, run)
                await in_thread(_continue, run)

    await asyncio.wait_for(look(), PATIENCE_S)

    assert seen == ["caught_up", "event", "end"]


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.CANCELLED])
async def test_nobody_stays_where_nothing_can_follow(watching: hub.Hub, run: Run, status: RunStatus) -> None:
    await sync_to_async(Run.objects.filter(pk=run.pk).update)(status=status, finished_at=timezone.now())

    async with asyncio.timeout(PATIENCE_S):
        seen = [frame.body["kind"] async for frame in watching.watch(run.pk, 0, stay=True)]

    assert seen == ["caught_up", "end"]
