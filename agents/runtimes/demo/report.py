"""The demo analyst's report and the sentences of its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agents.runtimes.demo.analysis_state import AnalysisState, Driver, Group, code, count_of, percent
from agents.runtimes.demo.sentences import escaped

BADGE = (
    "> **Demo model.** Deskhand's offline demo wrote this from your file. Every number was computed; no language model "
    "judged it."
)


def markdown(state: AnalysisState) -> str:
    """The whole of report.md."""
    sections = [
        f"# {_title(state)}",
        BADGE,
        f"**Asked:** {_one_line(state.question)}  \n**Measured:** the {state.what()}{state.why_measure}  \n"
        f"**File:** {_one_line(state.file)}, {count_of(state.rows, 'row')}, {count_of(len(state.columns), 'column')}",
        "## Answer\n\n" + answer(state),
        *_changes(state),
        *_chart(state),
        *_ranking(state),
        *_combined(state),
        *(_driver(state, driver) for driver in state.shown),
        _method(state),
        _caveats(state),
    ]
    return "\n\n".join(sections) + "\n"


def answer(state: AnalysisState) -> str:
    """Two to four sentences with the numbers that matter."""
    if state.measure is None:
        return _answer_of_counts(state)
    sentences = [_overall(state)]
    if state.is_weak:
        sentences.append("No column here makes much of a difference: each explains less than 1% of it.")
        return " ".join(sentences)
    top = state.drivers[0]
    groups = _large_enough(state, state.groups[top.column.name])
    high, low = groups[0], groups[-1]
    sentences.append(
        f"{code(top.column.name)} makes the largest difference: {_value(high.value)} has "
        f"{state.value(high.mean)} ({state.of(high)}), {_value(low.value)} {state.value(low.mean)} ({state.of(low)})."
    )
    if state.combined and state.pair:
        sentences.append(_strongest_pair(state, state.pair[1].name))
    return " ".join(sentences)


def plain_answer(state: AnalysisState) -> str:
    """The answer without Markdown, for an email."""
    return re.sub(r"\\(.)", r"\1", answer(state).replace("`", ""))


def headline(state: AnalysisState) -> str:
    """The answer in one line, for the subject of an email or a memory."""
    if state.measure is None:
        return f"{state.file}: {count_of(state.rows, 'row')}"
    if state.is_weak:
        return f"{state.file}: no column makes a difference to {state.measure.name}"
    group = (state.combined or _large_enough(state, state.groups[state.drivers[0].column.name]))[0]
    return f"{state.file}: highest {state.measure.name} for {plain(group.value)}, {state.value(group.mean)}"


def chart_title(state: AnalysisState) -> str:
    """The finding, for the chart."""
    if state.measure is None:
        return f"Rows in {plain(state.file)}"
    if state.is_weak:
        return f"{plain(state.measure.name)} differs little by {plain(state.drivers[0].column.name)}"
    group = (state.combined or _large_enough(state, state.groups[state.drivers[0].column.name]))[0]
    return f"{plain(state.measure.name)} is highest for {plain(group.value)}: {state.value(group.mean)}"


def _size(state: AnalysisState) -> str:
    return f"{count_of(state.rows, 'row')}, {count_of(len(state.columns), 'column')}"


def _title(state: AnalysisState) -> str:
    if state.measure is None:
        return f"What is in {_one_line(state.file)}"
    return f"What drives {_one_line(state.measure.name)} in {_one_line(state.file)}"


def _overall(state: AnalysisState) -> str:
    if state.is_flag and state.measure:
        return (
            f"In {state.total:,.0f} of {state.counted:,} rows ({percent(state.mean)}) "
            f"{code(state.measure.name)} is {state.measure.yes}."
        )
    return f"Over {state.counted:,} rows the {state.what()} is {state.value(state.mean)}."


def _strongest_pair(state: AnalysisState, second: str) -> str:
    best = state.combined[0]
    text = f"Together with {code(second)}: {_value(best.value)} reaches {state.value(best.mean)} ({state.of(best)})"
    if state.total > 0 and all(group.total >= 0 for group in state.combined):
        return (
            f"{text}; that is {percent(best.rows / state.counted)} of the rows and "
            f"{percent(best.total / state.total)} of the total."
        )
    return text + "."


def _answer_of_counts(state: AnalysisState) -> str:
    sentences = [
        f"The file has {count_of(state.rows, 'row')} and no column with numbers or yes and no, so I counted rows."
    ]
    for driver in state.drivers[:2]:
        top = max(state.groups[driver.column.name], key=lambda group: group.rows)
        share = percent(top.rows / state.counted)
        sentences.append(
            f"The largest group by {code(driver.column.name)} is {_value(top.value)}: {top.rows:,} ({share})."
        )
    return " ".join(sentences)


def _changes(state: AnalysisState) -> list[str]:
    return ["## Changes\n\n" + "\n".join(f"- {change}" for change in state.changes)] if state.changes else []


def _chart(state: AnalysisState) -> list[str]:
    return [f"![{escaped(chart_title(state))}]({chart})" for chart in state.charts[:1]]


def _ranking(state: AnalysisState) -> list[str]:
    if state.measure is None or not state.drivers:
        return []
    rows = [(f"{code(each.column.name)}", f"{each.groups}", percent(max(each.effect, 0))) for each in state.drivers[:8]]
    return ["## Which columns matter\n\n" + _table(("Column", "Groups", "Explains"), rows)]


def _combined(state: AnalysisState) -> list[str]:
    if not state.combined or not state.pair:
        return []
    first, second = state.pair
    title = f"## {code(first.name)} and {code(second.name)} together\n\n"
    return [
        title
        + _groups(state, state.combined, "Combination")
        + f"\n\nOnly combinations of {state.smallest} rows or more."
    ]


def _driver(state: AnalysisState, driver: Driver) -> str:
    name = driver.column.name
    groups = state.groups[name]
    text = f"## By {code(name)}\n\n" + _groups(state, groups, f"{code(name)}")
    if driver.groups > len(groups):
        text += f"\n\nThe {len(groups)} largest of {driver.groups} groups."
    return text


def _groups(state: AnalysisState, groups: Iterable[Group], title: str) -> str:
    if state.measure is None:
        counted = [(_value(each.value), f"{each.rows:,}", percent(each.rows / state.counted)) for each in groups]
        return _table((title, "Rows", "Share"), counted)
    if state.is_flag:
        rates = [
            (_value(each.value), f"{each.rows:,}", f"{each.total:,.0f}", state.value(each.mean)) for each in groups
        ]
        return _table((title, "Rows", f"{code(state.measure.name)}", "Share"), rates)
    means = [(_value(each.value), f"{each.rows:,}", state.value(each.mean)) for each in groups]
    return _table((title, "Rows", f"Average {code(state.measure.name)}"), means)


def _method(state: AnalysisState) -> str:
    text = (
        f"## Method\n\nI loaded {_one_line(state.file)} with SQL, profiled its {count_of(len(state.columns), 'column')}"
    )
    if state.measure is None:
        return text + " and counted rows per group."
    return text + (
        ", grouped the rows by each column that has few values (numbers by quartile, dates by month) and compared "
        f"the {state.what()}. “Explains” is epsilon squared: the share of the variance that the groups explain, "
        "corrected for their number."
    )


def _caveats(state: AnalysisState) -> str:
    lines = ["A difference between groups is not yet its cause."] if state.measure else []
    if state.measure and state.counted < state.rows:
        missing = state.rows - state.counted
        lines.append(f"{missing:,} rows have no {code(state.measure.name)} and were left out.")
    if state.left_out:
        names = ", ".join(f"{code(name)}" for name in state.left_out)
        lines.append(f"{names} was not used as a driver: by its name it says the same as the measure.")
    if state.drivers and state.combined:
        lines.append("Groups overlap, so their effects do not add up.")
    lines += state.problems
    lines.append(
        "The demo model knows one analysis: by which columns a measure differs. It reads tables, not meaning, and "
        "cannot know what the columns stand for."
    )
    return "## Caveats\n\n" + "\n".join(f"- {line}" for line in lines)


def _large_enough(state: AnalysisState, groups: Sequence[Group]) -> Sequence[Group]:
    return [group for group in groups if group.rows >= state.smallest] or groups


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, align, *rows))


def _value(text: str) -> str:
    """A value of the file as Markdown that shows it and does nothing else."""
    return escaped(plain(text)) if text.strip() else "(blank)"


def plain(text: str) -> str:
    """On one line, at most 60 characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:59] + "…"


def _one_line(text: str) -> str:
    return _value(text) if len(text) <= 60 else _value(text[:59]) + "…"
