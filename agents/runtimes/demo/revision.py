"""A second version of the report, after a reviewer's comment."""

from __future__ import annotations

import re
from collections.abc import Callable

from agents.runtimes.demo import delivery
from agents.runtimes.demo.analysis_state import AnalysisState, code, quoted
from agents.runtimes.demo.columns import Column, measures, named
from agents.runtimes.demo.sentences import escaped
from agents.runtimes.demo.steps import Step

OPENING = re.compile(r"^\s*The reviewer asks for changes:\s*", re.IGNORECASE)
SPLIT = re.compile(r"\b(?:by|per|group\w*|break\w*|split\w*|segment\w*)\b", re.IGNORECASE)


def revise(state: AnalysisState, said: str, analyse: Callable[[AnalysisState], Step]) -> Step:
    """Do what the comment names (another measure, another column to group by) and say so in the report."""
    comment = OPENING.sub("", said).strip()
    done = _take_in(state, comment)
    state.changes.append(f"Asked: {escaped(quoted(comment))} {done}")
    state.heard = comment
    yield from analyse(state)
    yield from delivery.write_up(state)


def prompt_after(prompt: str, said: str) -> str:
    """What to work on when a first try ended without a result and a person wrote back."""
    return f"{prompt}\n{said}" if not said or OPENING.match(said) else said


def _take_in(state: AnalysisState, comment: str) -> str:
    """Change the state as the comment says; returns what was done, for the report."""
    measure = _other_measure(state, comment)
    if measure:
        state.measure, state.why_measure = measure, ", as the reviewer asked"
        return f"Everything is now measured by {code(measure.name)}."
    wanted = [column for column in named(state.columns, comment) if column.can_group and column != state.measure]
    state.wanted += wanted
    if wanted:
        return "Added a table by " + ", ".join(f"{code(column.name)}" for column in wanted) + "."
    return (
        "The demo model counted everything again. It can add a table by another column or measure another one when "
        "the comment names it, and could not act on the rest."
    )


def _other_measure(state: AnalysisState, comment: str) -> Column | None:
    """A column to measure that the comment names, unless it says to group by it."""
    able = [column for column in named(measures(state.columns), comment) if column != state.measure]
    before = comment[: comment.lower().find(able[0].name.lower())] if able else ""
    return able[0] if able and not SPLIT.search(before) else None
