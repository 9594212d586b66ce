"""Contract of the builtin tools, and the catalog of a run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from accounts.ids import uuid7
from tools import catalog
from tools.hooks import team_tools
from tools.spec import Effect, Policy, ToolSpec

SPECS = catalog.builtins()
SPRITE = Path(__file__).parents[2] / "static"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_tool_keeps_the_contract(spec: ToolSpec) -> None:
    Draft202012Validator.check_schema(spec.input_schema)
    assert spec.input_schema["type"] == "object"
    assert spec.input_schema["additionalProperties"] is False
    assert re.fullmatch(r"[a-z][a-z_]{1,40}", spec.name)
    assert 60 < len(spec.description) < 1200
    assert spec.timeout_s > 0
    assert spec.max_output_chars > 0
    assert "\n" not in spec.headline({}) + spec.title
    assert spec.headline({}) or spec.title


def test_only_ask_human_is_left_to_the_engine() -> None:
    assert [spec.name for spec in SPECS if spec.run is None] == ["ask_human"]


def test_what_leaves_the_house_asks_first() -> None:
    assert {spec.name for spec in SPECS if spec.effect is Effect.EFFECTFUL} == {"email_report"}
    assert {spec.name for spec in SPECS if spec.default_policy is Policy.ASK} == {"email_report"}


def test_every_icon_is_in_the_sprite() -> None:
    [sprite] = SPRITE.rglob("sprite.svg")
    found = set(re.findall(r'id="i-([a-z0-9-]+)"', sprite.read_text()))

    assert {spec.icon for spec in SPECS} - found == set()


def test_unknown_names_are_unknown() -> None:
    for name in ("", "os", "read_file ", "../catalog", "__init__"):
        with pytest.raises(KeyError):
            catalog.builtin(name)


TEAM, OTHER_TEAM = uuid7(), uuid7()
RING = replace(catalog.builtin("list_files"), name="ring", title="Ring the bell")
POSING = replace(catalog.builtin("list_files"), name="read_file", title="Not ours")


@pytest.fixture
def source() -> Iterator[list[Collection[str] | None]]:
    """Source that knows two tools of one team. Yields the names that it was asked for."""
    asked: list[Collection[str] | None] = []

    @team_tools.register
    def own(*, team_id: UUID, names: Collection[str] | None) -> Iterable[ToolSpec]:
        asked.append(names)
        return [RING, POSING] if team_id == TEAM else []

    yield asked
    team_tools.unregister(own)


def test_a_run_can_use_the_tools_of_its_team_that_its_version_names(source: list[Collection[str] | None]) -> None:
    named = catalog.for_run(team_id=TEAM, tools=[{"tool": "ring", "policy": "ask"}, {"tool": "read_file"}])

    assert named.get("ring") is RING
    assert source == [{"ring"}]
    assert named.names == (*catalog.BUILTIN, "ring")


def test_what_a_version_does_not_name_is_neither_looked_up_nor_usable(source: list[Collection[str] | None]) -> None:
    builtin_only = catalog.for_run(team_id=TEAM, tools=[{"tool": "read_file"}])
    names_another = catalog.for_run(team_id=TEAM, tools=[{"tool": "whistle"}])

    assert source == [{"whistle"}]
    assert builtin_only.get("ring") is None
    assert names_another.get("ring") is None
    assert "ring" not in names_another


def test_a_team_sees_its_own_tools_after_those_of_the_product(source: list[Collection[str] | None]) -> None:
    assert [spec.name for spec in catalog.for_team(TEAM)] == [*catalog.BUILTIN, "ring"]
    assert [spec.name for spec in catalog.for_team(OTHER_TEAM)] == [*catalog.BUILTIN]


def test_a_team_tool_never_takes_the_name_of_one_of_the_product(source: list[Collection[str] | None]) -> None:
    assert catalog.for_team(TEAM).get("read_file") is catalog.builtin("read_file")
    assert catalog.for_run(team_id=TEAM, tools=[{"tool": "ring"}]).get("read_file") is catalog.builtin("read_file")


def test_only_names_that_are_not_the_products_ask_the_database(source: list[Collection[str] | None]) -> None:
    assert catalog.queries_database([{"tool": "ring"}]) is True
    assert catalog.queries_database([{"tool": "read_file"}]) is False
    assert source == []


def test_without_a_source_nothing_asks_the_database() -> None:
    assert catalog.queries_database([{"tool": "ring"}]) is False
