"""Valkey carries hints only: what it loses, refuses or delivers too early changes no run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from config.embedded.ports import free_port
from tasks import event_log, events
from tasks.engine.driver import Driver
from tasks.models import Run
from tasks.services.runs import cancel_run
from tests.factories import RunFactory
from tests.tasks.scripted import Scripted, engine, say, settled, types, until

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]


@pytest.mark.promise("G2")
def test_an_idle_worker_finds_a_run_whose_message_was_lost(
    scripted: Play, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted([say("Done.")])
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    looks, claim = [], Driver._claim

    async def counted(driver: Driver, room: int) -> Any:
        claimed = await claim(driver, room)
        looks.append(len(claimed))
        return claimed

    monkeypatch.setattr(Driver, "_claim", counted)
    with engine() as driver:
        for _ in range(2):  # the second wakes a worker that is idle and has seen an empty queue
            settled(start(), "succeeded")
            until(lambda: not driver._owned)
            before = len(looks)
            until(lambda seen=before: len(looks) > seen and looks[-1] == 0)


@pytest.mark.promise("G2")
def test_an_emptied_valkey_loses_no_run(scripted: Play, start: Start, settings: Any) -> None:
    scripted([say("Done.")])
    runs = [start() for _ in range(5)]
    assert event_log.valkey().dbsize() > 0

    event_log.valkey().flushall()

    with engine():
        assert {settled(run).status for run in runs} == {"succeeded"}


@pytest.fixture
def no_valkey(settings: Any) -> Iterator[None]:
    """Port without a server in place of Valkey."""
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}"
    event_log.valkey.cache_clear()
    yield
    event_log.valkey.cache_clear()


@pytest.mark.promise("G1", "G2")
def test_without_valkey_a_run_is_accepted_at_once_driven_and_cancelled(
    no_valkey: None, scripted: Play, start: Start, alice: User
) -> None:
    scripted([say("Done.")])
    began = time.monotonic()
    kept, stopped = start(), start()
    cancel_run(run=stopped, actor=alice)
    assert time.monotonic() - began < 30

    with engine():
        settled(kept, "succeeded")

    stopped.refresh_from_db()
    assert (stopped.status, types(stopped)[-1]) == ("cancelled", "run.finished")


# ---- Messages for viewers


@pytest.fixture
def heard() -> Iterator[Callable[[Run, int], list[dict[str, Any]]]]:
    """Function that returns the next messages on the run's channel, in order."""
    channel = event_log.valkey().pubsub(ignore_subscribe_messages=True)

    def listen(run: Run, count: int) -> list[dict[str, Any]]:
        got: list[dict[str, Any]] = []
        while len(got) < count:
            message = channel.get_message(timeout=5)
            if message:
                got.append(json.loads(message["data"]))
        return got

    listen.channel = channel  # type: ignore[attr-defined]
    yield listen
    channel.close()


@pytest.mark.promise("G8")
def test_an_event_is_announced_after_its_commit_and_not_before(heard: Any) -> None:
    run = RunFactory()
    heard.channel.subscribe(event_log.run_channel(run.pk))
    assert heard.channel.get_message(timeout=5) is None  # the confirmation

    with transaction.atomic():
        event_log.append(run, events.Log(text="kept"))
        event_log.publish([(event_log.run_channel(run.pk), {"seq": "in the middle"})])

    assert heard(run, 2) == [{"seq": "in the middle"}, {"seq": 1}]


@pytest.mark.promise("G8")
def test_what_is_rolled_back_is_not_announced_and_leaves_no_gap(heard: Any) -> None:
    run = RunFactory()
    heard.channel.subscribe(event_log.run_channel(run.pk))
    assert heard.channel.get_message(timeout=5) is None

    with transaction.atomic():
        event_log.append(run, events.Log(text="undone"), events.Log(text="undone, too"))
        transaction.set_rollback(True)
    event_log.append(run, events.Log(text="kept"))

    assert heard(run, 1) == [{"seq": 1}]
    assert list(run.events.values_list("seq", "data__text")) == [(1, "kept")]
