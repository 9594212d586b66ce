"""People and programs that use the installation during the storm: they start runs, answer, cancel, and retry."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.chaos.api import Api, Lost
from tests.chaos.history import Cancel, History, Start
from tests.chaos.receiver import Receiver

KINDS = {
    "plain": 18, "steps": 18, "files": 12, "deliver": 12, "approve": 7, "ask": 8, "chatter": 6, "slow": 7, "long": 4,
    "costly": 5, "review": 3, "later": 4,
}  # fmt: skip
CANCELLED = 0.04
IMPATIENT = 0.05
TOOLS = ("report_progress", "write_file", "deliver", "chatter", "ask_human", "crash")
MODEL = "claude-haiku-4-5"


@dataclass
class World:
    """State that all clients share."""

    api: Api
    history: History
    receiver: Receiver
    seed: int
    agents: dict[str, str] = field(default_factory=dict)
    is_closing: threading.Event = field(default_factory=threading.Event)
    """Set when no client may begin anything new."""
    is_over: threading.Event = field(default_factory=threading.Event)

    def again(self, work: Callable[[], Any], *, pause_s: float = 0.5) -> Any:
        """Repeat the call until it is answered. Return None if the storm ends first."""
        while not self.is_over.is_set():
            try:
                return work()
            except Lost:
                self.is_over.wait(pause_s)
        return None


def hire(world: World) -> None:
    """Create the agents: one with all rights, one that asks first, one with a small budget."""
    more: dict[str, dict[str, Any]] = {
        "free": {},
        "careful": {"tools": _tools(deliver="ask")},
        "tight": {"budget_monthly_usd": "0.20"},
    }
    for name, options in more.items():
        body = {
            "name": name, "instructions": "Do what you are asked.", "runtime": "anthropic", "model": MODEL,
            "tools": _tools(), "memory_enabled": False, "limits": {"max_concurrent_runs": 200, "max_cost_usd": "5.00"},
        }  # fmt: skip
        status, agent = world.api.call("POST", "/agents/", body | options, idempotency_key=f"hire-{name}", timeout_s=60)
        assert status == 201, agent
        world.agents[name] = agent["id"]


def _tools(**policies: str) -> list[dict[str, str]]:
    return [{"tool": name, "policy": policies.get(name, "allow")} for name in TOOLS]


def submit(world: World, kind: str, order: str) -> Start:
    """Submit under one key until there is a definite answer; sometimes once more after it."""
    start = Start(key=f"storm-{world.seed}-{order}", kind=kind, order=order)
    with world.history.lock:
        world.history.starts.append(start)
    chance = random.Random(start.key)  # noqa: S311
    is_impatient = chance.random() < IMPATIENT
    body = _body(world, start, chance)  # built once: the same key needs the same body
    while not world.is_over.is_set():
        try:
            status, answer = world.api.call("POST", "/runs/", body, idempotency_key=start.key)
        except Lost:
            start.lost += 1
            world.is_over.wait(chance.uniform(0.1, 1.0))
            continue
        if status == 201:
            start.runs.append(answer["id"])
            if is_impatient and len(start.runs) < 2:
                continue
            break
        if status < 500 and status not in (409, 429):
            start.refused = f"{status} {answer}"
            break
        world.is_over.wait(0.5)
    return start


def _body(world: World, start: Start, chance: random.Random) -> dict[str, Any]:
    agent = {"approve": "careful", "costly": "tight"}.get(start.kind, "free")
    body: dict[str, Any] = {
        "agent": world.agents[agent],
        "prompt": f"chaos {start.kind} {start.order}",
        "metadata": {"key": start.key},
    }
    if start.kind == "review":
        body |= {"review": True, "limits": {"max_cost_usd": "0.02"}}
    if start.kind == "later":
        body["start_at"] = (datetime.now(UTC) + timedelta(seconds=chance.uniform(1, 8))).isoformat()
    return body


class Submitter:
    """Client that starts its share of the runs, spread evenly, each under one key until it has a definite answer."""

    def __init__(self, world: World, number: int, count: int, duration_s: float) -> None:
        self._world = world
        self._number, self._count, self._duration_s = number, count, duration_s
        chance = random.Random(f"{world.seed}/submitter/{number}")  # noqa: S311
        self._kinds = chance.choices([*KINDS], [*KINDS.values()], k=count)
        self._cancels = [chance.uniform(0, 6) if chance.random() < CANCELLED else None for _ in range(count)]

    def run(self) -> None:
        began = time.monotonic()
        for n, (kind, cancelled_after_s) in enumerate(zip(self._kinds, self._cancels, strict=True)):
            due = began + self._duration_s * n / self._count
            if self._world.is_over.wait(max(0.0, due - time.monotonic())):
                return
            start = submit(self._world, kind, f"s{self._number}-{n}")
            if start.runs and cancelled_after_s is not None:
                threading.Timer(cancelled_after_s, self._cancel, [start.runs[0]]).start()

    def _cancel(self, run: str) -> None:
        answer = self._world.again(lambda: self._world.api.call("POST", f"/runs/{run}/cancel/", {}))
        if answer and answer[0] == 200 and answer[1]["status"] == "cancelled":
            self._world.history.cancels.append(Cancel(run, time.time()))


class Person:
    """Person who answers every request: checks the receiver before saying what happened, and raises low limits."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._chance = random.Random(f"{world.seed}/person/{number}")  # noqa: S311

    def run(self) -> None:
        while not self._world.is_over.is_set():
            try:
                status, page = self._world.api.call("GET", "/inbox/?limit=200")
                asked = page["results"] if status == 200 else []
                self._chance.shuffle(asked)
                for one in asked[:40]:
                    self._answer(one)
            except Lost:
                pass
            self._world.is_over.wait(self._chance.uniform(0.3, 1.0))

    def _answer(self, asked: dict[str, Any]) -> None:
        body = self._decide(asked)
        order = (asked["arguments"] or {}).get("order", "")
        try:
            status, _ = self._world.api.call("POST", f"/runs/{asked['run']}/requests/{asked['id']}/answer/", body)
        except Lost:
            status = 0
        with self._world.history.lock:
            if status == 200:
                self._world.history.answers[asked["id"]] += 1
            if status in (200, 0) and body.get("decision") == "retry":
                self._world.history.retries[order] += 1

    def _decide(self, asked: dict[str, Any]) -> dict[str, Any]:
        chance = self._chance.random()
        match asked["kind"]:
            case "question":
                return {"value": self._chance.choice(asked["choices"])}
            case "approval":
                decision = "approve" if chance < 0.8 else "reject" if chance < 0.9 else "edit"
                body = {"decision": decision, "digest": asked["digest"]}
                return body | {"arguments": asked["arguments"]} if decision == "edit" else body
            case "unknown_effect":
                if self._world.receiver.has_taken(asked["arguments"]["order"]):
                    return {"decision": "happened"}
                return {"decision": "retry" if chance < 0.7 else "skip"}
            case "budget":
                return self._raise(asked) if chance < 0.9 else {"decision": "stop"}
            case "review":
                decision = "approve" if chance < 0.6 else "reject" if chance < 0.8 else "revise"
                return {"decision": decision, "comment": "Shorter."}
        return {"decision": "continue"}

    def _raise(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked["arguments"]
        if wanted["scope"] == "run":
            limit = Decimal(wanted["spent_usd"]) + Decimal(wanted["needed_usd"]) + Decimal("0.05")
            return {"decision": "raise", "max_cost_usd": f"{limit:.2f}"}
        if self._chance.random() < 0.1:  # usually the money is only reserved by other runs, and is released
            limit = Decimal(wanted["limit_usd"]) + Decimal("0.02")
            self._world.api.call(
                "PATCH", f"/agents/{self._world.agents['tight']}/", {"budget_monthly_usd": f"{limit:.2f}"}
            )
        return {"decision": "raise"}
