"""Fixtures that the tests of runs share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import Team, User
from tasks.engine import circuits, outages
from tasks.models import Run
from tests.factories import AgentFactory, start_run
from tests.tasks.scripted import Scripted, engine
from tools import catalog
from tools.spec import Effect, ToolContext, ToolResult

# Leases are so long that a busy machine ends none; tests that need an expired lease set one.
FAST = {"lease_s": 60.0, "heartbeat_s": 0.4, "poll_s": 0.2, "drain_s": 3.0}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    """Function that replaces all runtimes by a scripted one."""

    def play(*script: Any, **more: Any) -> Scripted:
        runtime = Scripted(script, **more)
        monkeypatch.setattr("tasks.engine.claimed_run.get_runtime", lambda name: runtime)
        return runtime

    return play


@pytest.fixture
def fast_engine(settings: Any) -> None:
    settings.ENGINE = settings.ENGINE | FAST


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a model that does not answer, shortened to thousandths."""
    for name in ("FIRST_WAIT_S", "LONGEST_WAIT_S", "LONGEST_WAIT_BILLED_S", "LONGEST_WAIT_IN_PLACE_S"):
        monkeypatch.setattr(outages, name, getattr(outages, name) / 1000)
    for name in ("FIRST_PROBE_S", "LONGEST_GAP_S", "LONGEST_GAP_BILLED_S", "FRESH_S"):
        monkeypatch.setattr(circuits, name, getattr(circuits, name) / 1000)


@pytest.fixture
def driver(transactional_db: None, fast_engine: None) -> Iterator[Any]:
    with engine() as running:
        yield running


@pytest.fixture
def start(team: Team, alice: User) -> Callable[..., Run]:
    """Function that starts a run of an agent with the named tools."""

    def begin(*tools: str, policies: dict[str, str] | None = None, **options: Any) -> Run:
        policies = policies or {}
        given = [{"tool": name, "policy": policies.get(name, "allow")} for name in tools]
        agent = AgentFactory(team=team, version__tools=given, version__memory_enabled=False)
        return start_run(team=team, actor=alice, agent=agent, prompt="Look at the numbers.", **options)

    return begin


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Function that registers one more tool: `tool(run, effect=…)` returns its name."""

    def make(run: Callable[[ToolContext, Mapping[str, Any]], ToolResult], **more: Any) -> str:
        values = {"name": "probe", "title": "Probe", "effect": Effect.EFFECTFUL, "uses_workspace": False} | more
        spec = replace(catalog.builtin("list_files"), run=run, input_schema={"type": "object"}, **values)
        catalog.add(spec)
        return spec.name

    monkeypatch.setattr(catalog, "BUILTIN", catalog.BUILTIN)
    monkeypatch.setattr(catalog, "_added", {})
    return make
