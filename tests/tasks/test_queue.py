"""Wake-ups: one message for all that is enqueued before it is heard, and no worker sleeps while there is work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tasks import queue
from tasks.models import Run, RunStatus
from tests.tasks.scripted import Scripted, engine, say, until


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    messages: list[str] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, **options: messages.append(options["args"][0]))
    queue.heard()
    yield messages
    queue.heard()


def test_a_wake_up_on_its_way_is_enough_for_all(sent: list[str]) -> None:
    first, second = uuid4(), uuid4()

    queue.wake_run(first)
    queue.wake_run(second)

    assert sent == [str(first)]


def test_a_wake_up_that_was_heard_is_followed_by_another(sent: list[str]) -> None:
    first, second = uuid4(), uuid4()

    queue.wake_run(first)
    queue.heard()
    queue.wake_run(second)

    assert sent == [str(first), str(second)]


def test_a_wake_up_that_was_lost_is_soon_followed_by_another(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "UNHEARD_MS", 20)
    first = uuid4()
    queue.wake_run(first)

    until(lambda: queue.wake_run(uuid4()) or len(sent) > 1)

    assert sent[0] == str(first)
    assert len(sent) == 2


def test_a_worker_without_room_passes_the_call_on(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"poll_s": 60.0, "max_runs": 1}
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    scripted([say("Done.")], before_turn=lambda request: asyncio.sleep(60))
    with engine("one") as one, engine("two"):
        start(), start()
        one.wake()

        until(lambda: Run.objects.filter(status=RunStatus.RUNNING).count() == 2)

        assert set(Run.objects.values_list("worker", flat=True)) == {"one", "two"}
