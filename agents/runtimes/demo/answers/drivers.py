"""Drivers of a measure: the columns by which it differs most, alone and in pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers import driver_queries as queries
from agents.runtimes.demo.answers.answer_parts import column_of
from agents.runtimes.demo.answers.classes import classes
from agents.runtimes.demo.request import Aggregate, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, Step, ask_table
from agents.runtimes.demo.table_columns import Column, Kind, groupers
from agents.runtimes.demo.wording import (
    code,
    count_of,
    figure,
    listed,
    one_line,
    percent,
    plain,
    shown,
    table,
    what,
    without_markdown,
)

MOST_GROUPS_SHOWN = 8
PARTNERS = 8
"""Number of strongest columns that are tried in a pair with the first."""
WEAK = 0.01
"""Share of explained variance below which a column is not called a driver."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A column by which the measure differs.

    `effect` is epsilon squared: the share of variance that it explains, corrected for what as many random groups would
    explain.
    """

    column: Column
    groups: int
    effect: float


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with the same value, or the same pair of values."""

    value: str
    rows: int
    mean: float
    total: float


@dataclass(slots=True, kw_only=True)
class Ranking:
    """Ranking of the columns for one measure."""

    request: Request
    counted: int = 0
    """Rows in which the measure is filled."""
    mean: float = 0.0
    total: float = 0.0
    smallest: int = 0
    """Rows below which a group is no finding."""
    left_out: list[str] = field(default_factory=list)
    drivers: list[Driver] = field(default_factory=list)
    wanted: list[Column] = field(default_factory=list)
    groups: dict[str, list[Group]] = field(default_factory=dict)
    pair: tuple[Column, Column] | None = None
    combined: list[Group] = field(default_factory=list)
    """Highest groups of the pair of columns that explains most."""

    @property
    def measure(self) -> Measure:
        return self.request.measure

    @property
    def is_share(self) -> bool:
        return self.measure.is_indicator

    @property
    def name(self) -> str:
        """Return the measured column, with the measured value if there is one."""
        column = column_of(self.measure)
        return f"{column.name} {self.measure.value}".strip()

    @property
    def is_weak(self) -> bool:
        """Return True if no column explains enough to be called a driver."""
        return not self.drivers or self.drivers[0].effect < WEAK

    @property
    def shown(self) -> list[Driver]:
        """Return the drivers with a table in the report: the strongest three, and those a person asked for."""
        return [*self.drivers[:3], *(driver for driver in self.drivers[3:] if driver.column in self.wanted)]

    def value(self, mean: float) -> str:
        """Format a mean in the unit of the measure."""
        return figure(mean, self.measure)

    def of(self, group: Group) -> str:
        """Return a group's rows, to stand in brackets after its mean."""
        return f"{group.total:,.0f} of {group.rows:,}" if self.is_share else f"{group.rows:,} rows"

    def large_enough(self, groups: Sequence[Group]) -> Sequence[Group]:
        return [group for group in groups if group.rows >= self.smallest] or groups

    @property
    def top(self) -> Group:
        """Return the highest group of the finding."""
        return (self.combined or self.large_enough(self.groups[self.drivers[0].column.name]))[0]


def answer(state: AnalysisState, request: Request) -> Answer:
    """Rank the columns, then analyse the strongest."""
    column = request.measure.column
    if column is None:
        raise NoAnswer(
            f"I stopped: {state.table.file} ({count_of(state.table.rows, 'row')}) has nothing to compare. "
            "No column holds numbers or yes and no that differ between rows."
        )
    if not request.measure.is_indicator and column.kind is Kind.CATEGORY and not column.is_number:
        return (yield from classes(state, request, column))
    aggregate = Aggregate.SHARE if request.measure.is_indicator else Aggregate.MEAN
    if request.measure.aggregate is not aggregate:
        request.measure = Measure(aggregate, column, request.measure.value, word=request.measure.word)
    found = Ranking(request=request, wanted=state.wanted)
    yield from _rank(state, found, column)
    yield from _look_into(state, found)
    return _finding(state, found)


def _rank(state: AnalysisState, found: Ranking, measure: Column) -> Step:
    by, same = groupers(state.table.asked, measure, state.wanted)
    found.left_out = [column.name for column in same]
    if not by:
        raise NoAnswer(
            f"I stopped: {state.table.file} ({count_of(state.table.rows, 'row')}) has nothing to compare. "
            "Each other column is free text, an identifier or the same in every row."
        )
    narration = f"Comparing the {what(found.measure)} between the groups of {count_of(len(by), 'column')}."
    sql = [queries.ranking(state.table.source, found.request, chunk) for chunk in queries.chunks(by)]
    results = yield from ask_table(state, 3, "Comparing groups", narration, *sql)
    rows = [row for result in results for row in reading.rows(result.text)]
    if not rows:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has a value to measure.")
    found.counted = int(reading.number(rows[0]["rows"]))
    found.mean, found.total = reading.number(rows[0]["mean"]), reading.number(rows[0]["total"])
    found.smallest = max(5, round(found.counted / 100))
    found.drivers = _drivers(state, found, rows)


def _drivers(state: AnalysisState, found: Ranking, rows: Iterable[Mapping[str, str]]) -> list[Driver]:
    """Return the drivers, strongest first."""
    drivers = []
    for row in rows:
        count = int(reading.number(row["groups"]))
        if count < 2:
            continue
        effect = corrected(reading.number(row["explained"]), rows=found.counted, groups=count)
        drivers.append(Driver(state.table.column(row["factor"]), count, effect))
    return sorted(drivers, key=lambda driver: (-driver.effect, driver.column.name))


def corrected(explained: float, *, rows: int, groups: int) -> float:
    """Return epsilon squared for eta squared."""
    return 1 - (1 - explained) * (rows - 1) / (rows - groups) if rows > groups else 0.0


def _look_into(state: AnalysisState, found: Ranking) -> Step:
    """Query the groups of the strongest columns, and the column that interacts most with the first."""
    if not found.drivers:
        raise NoAnswer(f"I stopped: no column of {state.table.file} has two groups to compare.")
    by = [driver.column for driver in found.shown]
    source = state.table.source
    sql = [queries.groups(source, found.request, by, most=MOST_GROUPS_SHOWN)]
    others = [driver.column for driver in found.drivers[1:PARTNERS]]
    if others and not found.is_weak:
        sql += [
            queries.ranking(source, found.request, chunk, within=by[0])
            for chunk in queries.chunks(others, within=by[0])
        ]
    narration = f"Now each group of {listed([code(column.name) for column in by])}"
    narration += f", and what {code(by[0].name)} explains together with another column." if len(sql) > 1 else "."
    results = yield from ask_table(state, 4, "Looking into the strongest", narration, *sql)
    for row in reading.rows(results[0].text):
        found.groups.setdefault(row["factor"], []).append(_group(row, row["value"]))
    pairs = _drivers(state, found, [row for result in results[1:] for row in reading.rows(result.text)])
    if pairs and pairs[0].effect > found.drivers[0].effect:
        yield from _combine(state, found, by[0], pairs[0].column)


def _combine(state: AnalysisState, found: Ranking, first: Column, second: Column) -> Step:
    narration = f"{code(first.name)} and {code(second.name)} together explain most, so I look at their combinations."
    sql = queries.combinations(
        state.table.source, found.request, (first, second), at_least=found.smallest, most=MOST_GROUPS_SHOWN
    )
    (result,) = yield from ask_table(state, 4, "Combining the two strongest", narration, sql)
    found.pair = (first, second)
    found.combined = [_group(row, f"{row[first.name]} · {row[second.name]}") for row in reading.rows(result.text)]


def _group(row: Mapping[str, str], value: str) -> Group:
    return Group(value, int(reading.number(row["n"])), reading.number(row["mean"]), reading.number(row["total"]))


# ---- Words


def _finding(state: AnalysisState, found: Ranking) -> Finding:
    rows = state.table.asked_rows
    return Finding(
        request=found.request,
        sentences=_sentences(found),
        headline=_headline(state, found),
        title=f"What drives {one_line(found.name)} in {one_line(state.table.file)}",
        measured=f"the {what(found.measure)}{state.how_decided}",
        chart=_chart(found),
        sections=[
            _ranking(found),
            *_combined(found),
            *(_driver(found, driver) for driver in found.shown),
        ],
        method=(
            "grouped the rows by each column that has few values (numbers by quartile, dates by month) and compared "
            f"the {what(found.measure)}. “Explains” is epsilon squared: the share of the variance that the "
            "groups explain, "
            "corrected for their number"
        ),
        caveats=_caveats(found, rows),
    )


def _sentences(found: Ranking) -> list[str]:
    sentences = [_overall(found)]
    if found.is_weak:
        sentences.append("No column here makes much of a difference: each explains less than 1% of it.")
        return sentences
    top = found.drivers[0]
    groups = found.large_enough(found.groups[top.column.name])
    high, low = groups[0], groups[-1]
    sentences.append(
        f"{code(top.column.name)} makes the largest difference: {shown(high.value)} has "
        f"{found.value(high.mean)} ({found.of(high)}), {shown(low.value)} {found.value(low.mean)} ({found.of(low)})."
    )
    if found.combined and found.pair:
        sentences.append(_strongest_pair(found, found.pair[1].name))
    return sentences


def _overall(found: Ranking) -> str:
    column = column_of(found.measure)
    if found.is_share:
        return (
            f"In {found.total:,.0f} of {found.counted:,} rows ({percent(found.mean)}) "
            f"{code(column.name)} is {shown(found.measure.value or column.yes)}."
        )
    return f"Over {found.counted:,} rows the {what(found.measure)} is {found.value(found.mean)}."


def _strongest_pair(found: Ranking, second: str) -> str:
    best = found.combined[0]
    text = f"Together with {code(second)}: {shown(best.value)} reaches {found.value(best.mean)} ({found.of(best)})"
    column = found.measure.column
    is_positive = found.is_share or (column is not None and reading.number(column.low) >= 0)
    if found.total > 0 and is_positive:
        return (
            f"{text}; that is {percent(best.rows / found.counted)} of the rows and "
            f"{percent(best.total / found.total)} of the total."
        )
    return text + "."


def _headline(state: AnalysisState, found: Ranking) -> str:
    if found.is_weak:
        return f"{state.table.file}: no column makes a difference to {plain(found.name)}"
    return (
        f"{state.table.file}: {plain(found.drivers[0].column.name)} makes the largest difference to {plain(found.name)}"
    )


def _chart(found: Ranking) -> Mapping[str, Any] | None:
    groups = found.combined or found.groups.get(found.drivers[0].column.name, [])
    if not groups:
        return None
    measured = without_markdown(what(found.measure))
    unit = f"{measured[:1].upper()}{measured[1:]}{' (%)' if found.is_share else ''}"[:60]
    title = f"{plain(found.name)} differs little by {plain(found.drivers[0].column.name)}"
    if not found.is_weak:
        title = f"{plain(found.name)} is highest for {plain(found.top.value)}: {found.value(found.top.mean)}"
    return {
        "kind": "barh",
        "title": title[:160],
        "labels": [f"{plain(group.value)} ({group.rows:,})" for group in groups],
        "series": [{"name": unit, "values": [_height(found, group) for group in groups]}],
        "y_label": unit,
    }


def _height(found: Ranking, group: Group) -> float:
    return round(group.mean * 100, 1) if found.is_share else round(group.mean, 4)


def _ranking(found: Ranking) -> str:
    rows = [(code(each.column.name), f"{each.groups}", percent(max(each.effect, 0))) for each in found.drivers[:8]]
    text = "## Which columns matter\n\n" + table(("Column", "Groups", "Explains"), rows)
    more = len(found.drivers) - len(rows)
    return text + (
        f"\n\nThe strongest 8 of {len(found.drivers)} columns; all of them were compared." if more > 0 else ""
    )


def _combined(found: Ranking) -> list[str]:
    if not found.combined or not found.pair:
        return []
    first, second = found.pair
    title = f"## {code(first.name)} and {code(second.name)} together\n\n"
    return [
        title
        + _groups(found, found.combined, "Combination")
        + f"\n\nOnly combinations of {found.smallest} rows or more."
    ]


def _driver(found: Ranking, driver: Driver) -> str:
    name = driver.column.name
    groups = found.groups[name]
    text = f"## By {code(name)}\n\n" + _groups(found, groups, code(name))
    if driver.groups > len(groups):
        text += f"\n\n{len(groups)} of {driver.groups} groups: the largest, and the highest and lowest of all."
    return text


def _groups(found: Ranking, groups: Iterable[Group], title: str) -> str:
    column = column_of(found.measure)
    if found.is_share:
        name = code(column.name) if not found.measure.value else shown(found.measure.value)
        rates = [(shown(each.value), f"{each.rows:,}", f"{each.total:,.0f}", found.value(each.mean)) for each in groups]
        return table((title, "Rows", name, "Share"), rates)
    means = [(shown(each.value), f"{each.rows:,}", found.value(each.mean)) for each in groups]
    return table((title, "Rows", f"Average {code(column.name)}"), means)


def _caveats(found: Ranking, rows: int) -> list[str]:
    column = column_of(found.measure)
    lines = ["A difference between groups is not yet its cause."]
    if found.request.filters:
        lines.append(
            "Only rows where " + " and ".join(plain(each.words(), 160) for each in found.request.filters) + "."
        )
    elif found.counted < rows:
        lines.append(f"{rows - found.counted:,} rows have no {code(column.name)} and were left out.")
    if found.left_out:
        names = ", ".join(code(name) for name in found.left_out[:10])
        lines.append(f"{names} was not used as a driver: by its name it says the same as the measure.")
    if found.combined:
        lines.append("Groups overlap, so their effects do not add up.")
    if found.request.unused:
        words = listed([f"“{word}”" for word in found.request.unused])
        lines.append(f"Nothing in the table stands for {words}, so the answer does not take account of that.")
    return lines
