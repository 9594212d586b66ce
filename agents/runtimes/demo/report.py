"""The demo analyst's report and the sentences of its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from agents.runtimes.demo.picking import escaped
from agents.runtimes.demo.study import Driver, Group, Study, code, count_of, percent

BADGE = (
    "> **Demo model.** Deskhand's offline demo wrote this from your file. Every number was computed; no language model "
    "judged it."
)


def markdown(study: Study) -> str:
    """The whole of report.md."""
    sections = [
        f"# {_title(study)}",
        BADGE,
        f"**Asked:** {_one_line(study.question)}  \n**Measured:** the {study.what()}{study.why_measure}  \n"
        f"**File:** {_one_line(study.file)}, {count_of(study.rows, 'row')}, {count_of(len(study.columns), 'column')}",
        "## Answer\n\n" + answer(study),
        *_changes(study),
        *_chart(study),
        *_ranking(study),
        *_combined(study),
        *(_driver(study, driver) for driver in study.shown),
        _method(study),
        _caveats(study),
    ]
    return "\n\n".join(sections) + "\n"


def answer(study: Study) -> str:
    """Two to four sentences with the numbers that matter."""
    if study.measure is None:
        return _answer_of_counts(study)
    sentences = [_overall(study)]
    if study.is_weak:
        sentences.append("No column here makes much of a difference: each explains less than 1% of it.")
        return " ".join(sentences)
    top = study.drivers[0]
    groups = _large_enough(study, study.groups[top.column.name])
    high, low = groups[0], groups[-1]
    sentences.append(
        f"{code(top.column.name)} makes the largest difference: {_value(high.value)} has "
        f"{study.value(high.mean)} ({study.of(high)}), {_value(low.value)} {study.value(low.mean)} ({study.of(low)})."
    )
    if study.combined and study.pair:
        sentences.append(_strongest_pair(study, study.pair[1].name))
    return " ".join(sentences)


def plain_answer(study: Study) -> str:
    """The answer without Markdown, for an email."""
    return re.sub(r"\\(.)", r"\1", answer(study).replace("`", ""))


def headline(study: Study) -> str:
    """The answer in one line, for the subject of an email or a memory."""
    if study.measure is None:
        return f"{study.file}: {count_of(study.rows, 'row')}"
    if study.is_weak:
        return f"{study.file}: no column makes a difference to {study.measure.name}"
    group = (study.combined or _large_enough(study, study.groups[study.drivers[0].column.name]))[0]
    return f"{study.file}: highest {study.measure.name} for {plain(group.value)}, {study.value(group.mean)}"


def chart_title(study: Study) -> str:
    """The finding, for the chart."""
    if study.measure is None:
        return f"Rows in {plain(study.file)}"
    if study.is_weak:
        return f"{plain(study.measure.name)} differs little by {plain(study.drivers[0].column.name)}"
    group = (study.combined or _large_enough(study, study.groups[study.drivers[0].column.name]))[0]
    return f"{plain(study.measure.name)} is highest for {plain(group.value)}: {study.value(group.mean)}"


def _size(study: Study) -> str:
    return f"{count_of(study.rows, 'row')}, {count_of(len(study.columns), 'column')}"


def _title(study: Study) -> str:
    if study.measure is None:
        return f"What is in {_one_line(study.file)}"
    return f"What drives {_one_line(study.measure.name)} in {_one_line(study.file)}"


def _overall(study: Study) -> str:
    if study.is_flag and study.measure:
        return (
            f"In {study.total:,.0f} of {study.counted:,} rows ({percent(study.mean)}) "
            f"{code(study.measure.name)} is {study.measure.yes}."
        )
    return f"Over {study.counted:,} rows the {study.what()} is {study.value(study.mean)}."


def _strongest_pair(study: Study, second: str) -> str:
    best = study.combined[0]
    text = f"Together with {code(second)}: {_value(best.value)} reaches {study.value(best.mean)} ({study.of(best)})"
    if study.total > 0 and all(group.total >= 0 for group in study.combined):
        return (
            f"{text}; that is {percent(best.rows / study.counted)} of the rows and "
            f"{percent(best.total / study.total)} of the total."
        )
    return text + "."


def _answer_of_counts(study: Study) -> str:
    sentences = [
        f"The file has {count_of(study.rows, 'row')} and no column with numbers or yes and no, so I counted rows."
    ]
    for driver in study.drivers[:2]:
        top = max(study.groups[driver.column.name], key=lambda group: group.rows)
        share = percent(top.rows / study.counted)
        sentences.append(
            f"The largest group by {code(driver.column.name)} is {_value(top.value)}: {top.rows:,} ({share})."
        )
    return " ".join(sentences)


def _changes(study: Study) -> list[str]:
    return ["## Changes\n\n" + "\n".join(f"- {change}" for change in study.changes)] if study.changes else []


def _chart(study: Study) -> list[str]:
    return [f"![{escaped(chart_title(study))}]({chart})" for chart in study.charts[:1]]


def _ranking(study: Study) -> list[str]:
    if study.measure is None or not study.drivers:
        return []
    rows = [(f"{code(each.column.name)}", f"{each.groups}", percent(max(each.effect, 0))) for each in study.drivers[:8]]
    return ["## Which columns matter\n\n" + _table(("Column", "Groups", "Explains"), rows)]


def _combined(study: Study) -> list[str]:
    if not study.combined or not study.pair:
        return []
    first, second = study.pair
    title = f"## {code(first.name)} and {code(second.name)} together\n\n"
    return [
        title
        + _groups(study, study.combined, "Combination")
        + f"\n\nOnly combinations of {study.smallest} rows or more."
    ]


def _driver(study: Study, driver: Driver) -> str:
    name = driver.column.name
    groups = study.groups[name]
    text = f"## By {code(name)}\n\n" + _groups(study, groups, f"{code(name)}")
    if driver.groups > len(groups):
        text += f"\n\nThe {len(groups)} largest of {driver.groups} groups."
    return text


def _groups(study: Study, groups: Iterable[Group], title: str) -> str:
    if study.measure is None:
        counted = [(_value(each.value), f"{each.rows:,}", percent(each.rows / study.counted)) for each in groups]
        return _table((title, "Rows", "Share"), counted)
    if study.is_flag:
        rates = [
            (_value(each.value), f"{each.rows:,}", f"{each.total:,.0f}", study.value(each.mean)) for each in groups
        ]
        return _table((title, "Rows", f"{code(study.measure.name)}", "Share"), rates)
    means = [(_value(each.value), f"{each.rows:,}", study.value(each.mean)) for each in groups]
    return _table((title, "Rows", f"Average {code(study.measure.name)}"), means)


def _method(study: Study) -> str:
    text = (
        f"## Method\n\nI loaded {_one_line(study.file)} with SQL, profiled its {count_of(len(study.columns), 'column')}"
    )
    if study.measure is None:
        return text + " and counted rows per group."
    return text + (
        ", grouped the rows by each column that has few values (numbers by quartile, dates by month) and compared "
        f"the {study.what()}. “Explains” is epsilon squared: the share of the variance that the groups explain, "
        "corrected for their number."
    )


def _caveats(study: Study) -> str:
    lines = ["A difference between groups is not yet its cause."] if study.measure else []
    if study.measure and study.counted < study.rows:
        missing = study.rows - study.counted
        lines.append(f"{missing:,} rows have no {code(study.measure.name)} and were left out.")
    if study.left_out:
        names = ", ".join(f"{code(name)}" for name in study.left_out)
        lines.append(f"{names} was not used as a driver: by its name it says the same as the measure.")
    if study.drivers and study.combined:
        lines.append("Groups overlap, so their effects do not add up.")
    lines += study.problems
    lines.append(
        "The demo model knows one analysis: by which columns a measure differs. It reads tables, not meaning, and "
        "cannot know what the columns stand for."
    )
    return "## Caveats\n\n" + "\n".join(f"- {line}" for line in lines)


def _large_enough(study: Study, groups: Sequence[Group]) -> Sequence[Group]:
    return [group for group in groups if group.rows >= study.smallest] or groups


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
