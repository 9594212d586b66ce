"""Contract of the builtin tools."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tools import registry
from tools.registry import Effect, Policy, ToolSpec

SPECS = registry.all_tools()
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
    for name in ("", "os", "read_file ", "../registry", "__init__"):
        with pytest.raises(KeyError):
            registry.get(name)
