"""Comparison of two runs: figures, results, steps side by side, files, and differing settings. Reads only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any, Generic, Literal, TypeVar

from tasks.call_digest import digest
from tasks.models import TERMINAL, Artifact, Run, Step, StepKind, StepStatus

MAX_LINES = 1000
"""Lines of each text that are compared. The cost grows with the square."""
MAX_LINE = 2000
"""Characters of a line."""
MAX_STEPS = 500
AROUND = 3
"""Equal lines that are shown around a difference."""
SETTLED = (StepStatus.DONE, StepStatus.FAILED)
T = TypeVar("T")
Pairing = tuple[T | None, T | None]


@dataclass(frozen=True, slots=True)
class Line:
    """Line of a difference, with its number on each side. A `gap` stands for omitted equal lines."""

    kind: Literal["same", "add", "del", "gap"]
    left: int | None
    right: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of two texts. Without lines they are equal."""

    lines: Sequence[Line] = ()
    is_cut: bool = False
    """True if only the first MAX_LINES of each were compared."""

    @property
    def added(self) -> int:
        return sum(line.kind == "add" for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.kind == "del" for line in self.lines)


@dataclass(frozen=True, slots=True)
class StepLine:
    """Settled step in a few words."""

    index: int
    kind: str
    tool: str
    text: str
    took_s: float
    is_failed: bool
    key: str = field(repr=False)
    """Text that is equal for steps that did the same."""
    outcome: str = field(repr=False)
    """Text that is equal for steps that also had the same result."""


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """Contents of one row; None where a side has nothing."""

    left: T | None
    right: T | None
    is_same: bool
    is_other_result: bool = False
    """True for the same call with another result."""

    @property
    def state(self) -> str:
        if self.left is None or self.right is None:
            return "right" if self.left is None else "left"
        return "same" if self.is_same else "result" if self.is_other_result else "changed"


@dataclass(frozen=True, slots=True)
class Figure:
    """Number of both runs."""

    name: str
    kind: Literal["count", "money", "seconds"]
    left: Decimal | float | int
    right: Decimal | float | int

    @property
    def change(self) -> str:
        """Difference of the right number from the left one."""
        if self.left == self.right:
            return "same"
        if not self.left:
            return "more"
        percent = round(100 * (float(self.right) / float(self.left) - 1))
        return f"{'+' if percent > 0 else '−'}{abs(percent)}%" if percent else "about the same"  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Setting:
    """Setting in which the two runs differ."""

    name: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Run
    right: Run
    figures: Sequence[Figure]
    output: Difference
    steps: Sequence[Pair[StepLine]]
    steps_cut: bool
    files: Sequence[Pair[Artifact]]
    settings: Sequence[Setting]
    prompt: Difference
    instructions: Difference

    @property
    def is_live(self) -> bool:
        return any(run.status not in TERMINAL for run in (self.left, self.right))

    @property
    def has_outputs(self) -> bool:
        return self.left.output is not None or self.right.output is not None

    @property
    def differing_steps(self) -> int:
        return sum(not pair.is_same for pair in self.steps)

    @property
    def differing_files(self) -> int:
        return sum(not pair.is_same for pair in self.files)


def compare_runs(left: Run, right: Run) -> Comparison:
    """Compare two runs of one team. Unfinished ones are compared as they are now."""
    steps, is_cut = _steps(left, right)
    return Comparison(
        left=left,
        right=right,
        figures=_figures(left, right),
        output=compare_texts(output_text(left), output_text(right)),
        steps=steps,
        steps_cut=is_cut,
        files=_files(left, right),
        settings=_settings(left, right),
        prompt=compare_texts(left.prompt, right.prompt),
        instructions=compare_texts(left.version.instructions, right.version.instructions),
    )


def _figures(left: Run, right: Run) -> list[Figure]:
    def tokens_in(run: Run) -> int:
        return run.input_tokens + run.cache_read_tokens + run.cache_write_tokens

    def calls(run: Run) -> int:
        return run.steps.filter(kind=StepKind.TOOL, status__in=SETTLED).count()

    return [
        Figure("Cost", "money", left.cost_usd, right.cost_usd),
        Figure("Working time", "seconds", left.active_s, right.active_s),
        Figure("Model calls", "count", left.turns, right.turns),
        Figure("Tool calls", "count", calls(left), calls(right)),
        Figure("Tokens in", "count", tokens_in(left), tokens_in(right)),
        Figure("Tokens out", "count", left.output_tokens, right.output_tokens),
    ]


def output_text(run: Run) -> str:
    """Return the result as lines of text."""
    if run.output is None or isinstance(run.output, str):
        return run.output or ""
    return json.dumps(run.output, indent=2, ensure_ascii=False)


def compare_texts(left: str, right: str) -> Difference:
    """Return added and removed lines, with some equal lines around them."""
    if left == right:
        return Difference()
    old, new = left.splitlines(), right.splitlines()
    is_cut = max(len(old), len(new)) > MAX_LINES
    old, new = [[line[:MAX_LINE] for line in lines[:MAX_LINES]] for lines in (old, new)]
    found: list[Line] = []
    end = 0
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(AROUND):
        if (skipped := group[0][1] - end) > 0:
            found.append(_gap(skipped))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [Line("same", i + 1, i - i1 + j1 + 1, old[i]) for i in range(i1, i2)]
            else:
                found += [Line("del", i + 1, None, old[i]) for i in range(i1, i2)]
                found += [Line("add", None, j + 1, new[j]) for j in range(j1, j2)]
        end = group[-1][2]
    if found and len(old) > end:
        found.append(_gap(len(old) - end))
    return Difference(found, is_cut)


def _gap(lines: int) -> Line:
    return Line("gap", None, None, f"{lines} equal {'line' if lines == 1 else 'lines'}")


def _steps(left: Run, right: Run) -> tuple[list[Pair[StepLine]], bool]:
    old, new = _lines_of(left), _lines_of(right)
    is_cut = max(len(old), len(new)) > MAX_STEPS
    rows = in_step(old[:MAX_STEPS], new[:MAX_STEPS], key=lambda line: line.key)
    pairs = []
    for one, other in rows:
        alike = one is not None and other is not None and one.key == other.key
        is_same = alike and one is not None and other is not None and one.outcome == other.outcome
        pairs.append(Pair(one, other, is_same, alike and not is_same))
    return pairs, is_cut


def in_step(left: Sequence[T], right: Sequence[T], *, key: Callable[[T], str]) -> list[Pairing[T]]:
    """Pair both sequences row by row. Equal keys share a row, and differing parts stand side by side."""
    matcher = SequenceMatcher(None, [key(one) for one in left], [key(one) for one in right], autojunk=False)
    rows: list[Pairing[T]] = []
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for n in range(max(i2 - i1, j2 - j1)):
            rows.append((left[i1 + n] if i1 + n < i2 else None, right[j1 + n] if j1 + n < j2 else None))
    return rows


def _lines_of(run: Run) -> list[StepLine]:
    return [line_of(step) for step in run.steps.filter(status__in=SETTLED).order_by("index")[: MAX_STEPS + 1]]


def line_of(step: Step) -> StepLine:
    result: Mapping[str, Any] = step.result or {}
    took = (step.finished_at - step.created_at).total_seconds() if step.finished_at else 0.0
    if step.kind == StepKind.TOOL:
        text = _in_words(step.request)
        key, outcome = digest(step.tool, step.request), str(result.get("content", ""))
    elif step.kind == StepKind.MODEL:
        blocks = [block for block in result.get("content") or [] if isinstance(block, Mapping)]
        said = " ".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text")
        calls = [digest(block.get("name", ""), block.get("input") or {}) for block in blocks if "input" in block]
        names = ", ".join(str(block.get("name")) for block in blocks if "input" in block)
        text = said or (f"calls {names}" if names else "")
        key, outcome = f"model {' '.join(calls) or said}", said
    else:
        text = key = outcome = str(step.request.get("text", ""))
    is_failed = step.status == StepStatus.FAILED or bool(result.get("is_error"))
    line = " ".join(text.split())[:300]
    return StepLine(step.index, step.kind, step.tool, line, max(took, 0.0), is_failed, f"{step.kind}:{key}", outcome)


def _in_words(arguments: Mapping[str, Any]) -> str:
    """Return the arguments without JSON quoting of texts, for reading."""
    plain = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in arguments.items()
    }
    return "; ".join(f"{name}: {value}" for name, value in plain.items())


def _files(left: Run, right: Run) -> list[Pair[Artifact]]:
    old, new = _files_of(left), _files_of(right)
    rows = [(old.get(path), new.get(path)) for path in sorted({*old, *new})]
    return [Pair(one, other, bool(one and other and one.file.sha256 == other.file.sha256)) for one, other in rows]


def _files_of(run: Run) -> dict[str, Artifact]:
    return {artifact.path: artifact for artifact in run.artifacts.select_related("file")}


def model_of(run: Run) -> str:
    return run.model_override or run.version.model


def _settings(left: Run, right: Run) -> list[Setting]:
    def given(run: Run) -> dict[str, str]:
        return {
            "Agent": run.agent.name,
            "Agent version": str(run.version.number),
            "Model": model_of(run),
            "Tools": ", ".join(f"{one['tool']} ({one['policy']})" for one in run.version.tools),
            "Maximum cost": f"${run.max_cost_usd}",
            "Most model calls": str(run.max_turns),
            "Most working time": f"{run.timeout_s} s",
            "Review": "before it is done" if run.review else "none",
            "Input files": ", ".join(run.inputs.order_by("name").values_list("name", flat=True)),
        }

    old, new = given(left), given(right)
    return [Setting(name, old[name], new[name]) for name in old if old[name] != new[name]]
