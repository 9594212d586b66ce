"""Wake-ups of workers.

One message serves everything enqueued before it is handled, and no worker is idle while there is work.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from config.celery import app as celery
from tasks import event_log, queue
from tasks.engine.driver import Driver
from tasks.models import Run, RunStatus
from tests.tasks.scripted import Scripted, engine, say, until


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Function that returns the runs named by the queued wake-ups, oldest first. No worker consumes them."""
    monkeypatch.setattr(queue, "MESSAGES", f"{settings.REDIS_PREFIX}nobody-listens")
    valkey = event_log.valkey()

    def named() -> list[str]:
        messages: Any = valkey.lrange(queue.MESSAGES, 0, -1)
        return [json.loads(b64decode(json.loads(message)["body"]))[0][0] for message in reversed(messages)]

    valkey.delete(queue.WAKEUP_KEY)
    yield named
    valkey.delete(queue.WAKEUP_KEY, queue.MESSAGES)


def test_a_wake_up_is_the_message_that_celery_would_send() -> None:
    run, valkey = uuid4(), event_log.valkey()
    celery.send_task(queue.EXECUTE_RUN, args=[str(run)], queue="scratch", ignore_result=True, expires=queue.EXPIRES_S)
    of_celery, ours = (
        json.loads(text) for text in (valkey.rpop(f"{settings.REDIS_PREFIX}scratch"), queue.wake_up(run))
    )
    its_own = {
        "headers": ("id", "root_id", "origin", "expires"),
        "properties": ("correlation_id", "delivery_tag", "reply_to", "delivery_info"),
    }

    for message in (of_celery, ours):
        headers, properties = message["headers"], message["properties"]
        assert headers["id"] == headers["root_id"] == properties["correlation_id"]
        lives = datetime.fromisoformat(headers["expires"]) - timezone.now()
        assert timedelta(minutes=90) < lives <= timedelta(seconds=queue.EXPIRES_S)  # a worker may be an hour ahead
        assert properties.pop("delivery_info").keys() == {"exchange", "routing_key"}
        for part, names in its_own.items():
            for name in names:
                message[part].pop(name, None)

    assert ours == of_celery
    assert f"{settings.REDIS_PREFIX}{queue.RUNS_QUEUE}" == queue.MESSAGES


def _data(channel: Any) -> list[Any]:
    """Return the data of the next message in a list; empty if none comes soon."""
    return [json.loads(message["data"]) for message in (channel.get_message(timeout=0.2),) if message]


@pytest.mark.django_db(transaction=True)
def test_a_new_run_wakes_a_worker_and_is_told_to_viewers(
    sent: Callable[[], list[str]], start: Callable[..., Run]
) -> None:
    channel = event_log.valkey().pubsub(ignore_subscribe_messages=True)
    with channel:
        channel.psubscribe(f"{settings.REDIS_PREFIX}*")
        channel.get_message(timeout=5)

        due = start()
        later = start(start_at=timezone.now() + timedelta(hours=1))
        heard: list[Any] = []
        until(lambda: heard.extend(_data(channel)) or len(heard) >= 4)
        heard += _data(channel)

    assert sent() == [str(due.pk)]
    assert heard == [
        {"seq": 2},
        {"run": str(due.pk), "status": "queued"},
        {"seq": 2},
        {"run": str(later.pk), "status": "scheduled"},
    ]


def test_a_wake_up_on_its_way_is_enough_for_all(sent: Callable[[], list[str]]) -> None:
    first, second = uuid4(), uuid4()

    queue.wake_run(first)
    queue.wake_run(second)

    assert sent() == [str(first)]


def test_a_wake_up_that_was_heard_is_followed_by_another(
    transactional_db: None, fast_engine: None, sent: Callable[[], list[str]]
) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()

    queue.wake_run(first)
    with engine() as driver:
        queue.wake_run(second)
        driver.wake()
        until(lambda: not event_log.valkey().exists(queue.WAKEUP_KEY))
    queue.wake_run(third)

    assert sent() == [str(first), str(third)]


def listening(count: int) -> bool:
    """Return True if that many workers listen on the control channel."""
    [(_, found)] = event_log.valkey().pubsub_numsub(event_log.CONTROL_CHANNEL)
    return int(found) == count


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of runs that each look at the queue claimed."""
    sizes: list[int] = []
    claim, take = Driver._claim, Driver._take

    async def counted(driver: Driver, room: int) -> list[Any]:
        claimed = await claim(driver, room)
        found[driver.worker] = len(claimed)
        return claimed

    async def noted(driver: Driver) -> bool:
        again = await take(driver)
        sizes.append(found.pop(driver.worker, 0))
        return again

    found: dict[str, int] = {}
    monkeypatch.setattr(Driver, "_claim", counted)
    monkeypatch.setattr(Driver, "_take", noted)
    return sizes


def test_runs_that_come_one_after_the_other_are_claimed_together(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run], claims: list[int],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"poll_s": 60.0}
    monkeypatch.setattr("tasks.engine.driver.CLAIM_EVERY_S", 3.0)
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    scripted([say("Done.")])
    with engine() as driver:
        for count in (1, 4):
            for _ in range(count):
                start()
                driver.wake()
            until(lambda count=count: sum(claims) >= count)

    assert [size for size in claims if size] == [1, 4]


def test_who_was_called_looks_until_there_is_nothing_left(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run], claims: list[int], sent: Callable[[], list[str]],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"poll_s": 60.0}
    monkeypatch.setattr("tasks.engine.driver.CLAIM_EVERY_S", 2.0)
    monkeypatch.setattr(queue, "WAKEUP_TTL_MS", 60_000)
    scripted([say("Done.")])

    with engine() as driver:
        until(lambda: claims == [0])  # the look at the start
        first = start()
        driver.wake()
        until(lambda: sum(claims) == 1)
        start()
        until(lambda: sum(claims) == 2)
        until(lambda: not event_log.valkey().exists(queue.WAKEUP_KEY))
        third = start()

    assert sent() == [str(first.pk), str(third.pk)]


def test_a_worker_that_stops_passes_the_call_on(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run], claims: list[int], sent: Callable[[], list[str]],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"poll_s": 60.0}
    monkeypatch.setattr("tasks.engine.driver.CLAIM_EVERY_S", 2.0)
    monkeypatch.setattr(queue, "WAKEUP_TTL_MS", 60_000)
    scripted([say("Done.")])

    with engine("two"):
        with engine("one") as one:
            until(lambda: claims == [0, 0] and listening(2))  # the looks at the start
            first = start()
            one.wake()
            until(lambda: sum(claims) == 1)
            second = start()
        until(lambda: Run.objects.get(pk=second.pk).worker == "two")

    assert sent() == [str(first.pk)]


def test_a_wake_up_that_was_lost_is_soon_followed_by_another(
    sent: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "WAKEUP_TTL_MS", 20)
    first = uuid4()
    queue.wake_run(first)

    until(lambda: queue.wake_run(uuid4()) or len(sent()) > 1)

    assert sent()[0] == str(first)
    assert len(sent()) == 2


def test_a_worker_without_room_passes_the_call_on(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"poll_s": 60.0, "max_runs": 1}
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    scripted([say("Done.")], before_turn=lambda request: asyncio.sleep(60))
    with engine("one") as one, engine("two"):
        until(lambda: listening(2))
        start(), start()
        one.wake()

        until(lambda: Run.objects.filter(status=RunStatus.RUNNING).count() == 2)

        assert set(Run.objects.values_list("worker", flat=True)) == {"one", "two"}


def test_a_claim_does_not_wait_for_valkey(
    transactional_db: None, fast_engine: None, settings: Any, monkeypatch: pytest.MonkeyPatch,
    scripted: Callable[..., Scripted], start: Callable[..., Run],
) -> None:  # fmt: skip
    settings.ENGINE = settings.ENGINE | {"max_runs": 1}
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    monkeypatch.setattr("tasks.engine.publisher.Publisher.publish", lambda self, hints: asyncio.sleep(3600))
    scripted([say("Done.")])
    with engine() as one:
        runs = [start(), start()]
        one.wake()

        until(lambda: Run.objects.filter(status=RunStatus.SUCCEEDED).count() == len(runs))
