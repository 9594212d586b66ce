"""Plain questions about public data sets: the answer equals pandas' result, or the demo asks or refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.runtimes.base import Stop
from tests.agents import question_sets as sets
from tests.agents.demo_workspace import NO_CHART, DemoWorkspace
from tests.agents.question_sets import stats, table, vega

Files = Path | Callable[[Path], pd.DataFrame]
Right = tuple[str, ...]
"""Parts of the first sentence in their order: names as they are, numbers as they are shown."""


@dataclass(frozen=True)
class Question:
    """One question. `right` computes the answer from the table; without it the demo must ask or refuse."""

    files: Files
    text: str
    right: Callable[[Any], Right] | None = None
    person_says: str = "Stop here"


def best(values: pd.Series, *, is_low: bool = False) -> Right:
    """Return the name and the number of the highest or lowest."""
    name = values.idxmin() if is_low else values.idxmax()
    return str(name), shown(values[name])


def shown(value: float) -> str:
    """Format a number as the demo writes averages and totals: rounded for reading."""
    size = abs(value)
    if size >= 10_000:
        text = f"{size:,.0f}"
    elif size >= 1000:
        text = f"{size:,.1f}"
    else:
        text = f"{size:,.2f}" if size >= 1 or size == 0 else f"{size:.3f}"
    return f"-{text}" if value < 0 else text


def exact(value: float) -> str:
    return f"{value:,.10g}"


def top(values: pd.Series, *, is_low: bool = False) -> Right:
    """Return the name and the exact value of the highest or lowest, for groups of one row."""
    name = values.idxmin() if is_low else values.idxmax()
    return str(name), exact(values[name])


def _stocks(frame: pd.DataFrame) -> Right:
    return best(frame.groupby("symbol")["price"].mean())


def _rain(frame: pd.DataFrame) -> Right:
    months = pd.to_datetime(frame["date"]).dt.month_name()
    return best(frame.groupby(months)["precipitation"].sum())


def _correlation(first: str, second: str) -> Callable[[pd.DataFrame], Right]:
    return lambda frame: (f"`{first}`", f"`{second}`", f"{frame[first].corr(frame[second]):.2f}")


def _driver(measure: str, strongest: str) -> Callable[[pd.DataFrame], Right]:
    """Return the overall average and the strongest column, which the second sentence names."""
    return lambda frame: (shown(frame[measure].mean()), f"`{strongest}` makes the largest difference")


THE_22 = [
    Question(vega("stocks"), "Which stock had the highest average price, and in which year?", _stocks),
    Question(
        vega("barley"),
        "Which variety has the most yield?",
        lambda frame: best(frame.groupby("variety")["yield"].mean()),
    ),
    Question(
        vega("barley"),
        "What is the average yield by site?",
        lambda frame: ("Waseca", shown(frame.groupby("site")["yield"].mean()["Waseca"]), "Grand Rapids", "24.93"),
    ),
    Question(
        vega("seattle_weather"),
        "What is the average temp_max by weather?",
        lambda frame: ("sun", shown(frame.groupby("weather")["temp_max"].mean()["sun"]), "snow", "5.50"),
    ),
    Question(vega("seattle_weather"), "Which month has the most rain?", _rain),
    Question(
        vega("la_riots"),
        "What is the average age by race?",
        lambda frame: ("White", shown(frame.groupby("race")["age"].mean()["White"]), "Black", "31.75", "Asian"),
    ),
    Question(
        vega("cars"),
        "Which origin has the lowest consumption?",
        lambda frame: best(frame.groupby("Origin")["Miles_per_Gallon"].mean()),
    ),
    Question(sets.autos, "What does the price depend on?", _driver("Price", "Horsepower")),
    Question(
        stats("grunfeld/grunfeld.csv"),
        "Which firm invests most?",
        lambda frame: best(frame.groupby("firm")["invest"].sum()),
    ),
    Question(stats("randhie/src/randhie.csv"), "What drives meddol?", _driver("meddol", "totadm")),
    Question(sets.wide, "What drives target?", _driver("target", "feature_150")),
    Question(
        stats("elnino/elnino.csv"),
        "Which year had the warmest December?",
        lambda frame: top(frame.set_index("YEAR")["DEC"]),
    ),
    Question(
        vega("airports"),
        "Which state has the most airports?",
        lambda frame: (frame["state"].mode()[0], str(frame["state"].value_counts().max())),
    ),
    Question(
        stats("statecrime/statecrime.csv"),
        "Which state has the highest rate?",
        lambda frame: top(frame.set_index("state")["murder"]),
        person_says="the murder rate",
    ),
    Question(
        stats("nile/nile.csv"),
        "How did the volume change over time?",
        lambda frame: ("fell", "1,120", "1871", "740", "1970"),
    ),
    Question(
        stats("fair/fair.csv"),
        "Is there a relation between religiousness and affairs?",
        _correlation("religious", "affairs"),
    ),
    Question(
        sets.mixed_dates,
        "What is the trend of visitors?",
        lambda frame: ("`visitors` rose", "100", "2023-01-02", "277", "2024-02-19"),
    ),
    Question(
        sets.priced,
        "What is the average price by origin?",
        lambda frame: tuple(
            part
            for name, value in frame.groupby("Origin")["Price"].mean().sort_values(ascending=False).items()
            for part in (str(name), f"${value:,.2f}")
        ),
    ),
    Question(
        sets.tumours,
        "What predicts benign?",
        lambda frame: ("357 of 569", "62.7%", "`diagnosis` is benign", "makes the largest difference"),
    ),
    Question(
        sets.workbook,
        "Which region has the highest revenue?",
        lambda frame: top(frame.groupby("region")["revenue"].sum()),
    ),
    Question(
        vega("cars"),
        "Which origin has the most horsepower?",
        lambda frame: best(frame.groupby("Origin")["Horsepower"].mean()),
    ),
    Question(
        sets.iris_lines,
        "Which species has the longest petals?",
        lambda frame: best(frame.groupby("species")["petalLength"].mean()),
    ),
]

OTHERS = [
    Question(vega("airports"), "How many airports are there in Texas?", lambda f: (str((f["state"] == "TX").sum()),)),
    Question(vega("airports"), "Wie viele verschiedene Bundesstaaten gibt es?", lambda f: (str(f["state"].nunique()),)),
    Question(
        vega("iowa_electricity"),
        "Welche Energiequelle hat 2010 am meisten Strom erzeugt?",
        lambda f: top(f[f["year"].str.startswith("2010")].set_index("source")["net_generation"]),
    ),
    Question(
        vega("iowa_electricity"),
        "Which source grew the most between 2001 and 2017?",
        lambda f: ("Renewables", "1,437", "2001", "21,933", "2017"),
    ),
    Question(
        vega("us_employment"),
        "In which month was manufacturing employment lowest?",
        lambda f: ("February 2010", "March 2010", exact(f["manufacturing"].min())),
    ),
    Question(vega("wheat"), "Is there a correlation between wheat prices and wages?", _correlation("wheat", "wages")),
    Question(vega("wheat"), "When were wages highest?", lambda f: top(f.set_index("year")["wages"])),
    Question(vega("burtin"), "Which bacteria needs the least penicillin?", lambda f: ("Bacillus anthracis", "0.001")),
    Question(vega("driving"), "Wann wurden die meisten Meilen gefahren?", lambda f: top(f.set_index("year")["miles"])),
    Question(
        vega("seattle_temps"),
        "Zu welcher Uhrzeit ist es am wärmsten?",
        lambda f: (f"{f.groupby(pd.to_datetime(f['date']).dt.hour)['temp'].mean().idxmax()}:00", "58.08"),
    ),
    Question(stats("co2/co2.csv"), "How many values are missing?", lambda f: ("`co2`", str(f["co2"].isna().sum()))),
    Question(
        stats("macrodata/macrodata.csv"),
        "In welchem Jahr war die Arbeitslosigkeit am höchsten?",
        lambda f: (str(int(f.groupby("year")["unemp"].mean().idxmax())), "9.70"),
    ),
    Question(stats("macrodata/macrodata.csv"), "Is unemployment related to inflation?", _correlation("unemp", "infl")),
    Question(
        stats("sunspots/sunspots.csv"),
        "average sun activity by decade",
        lambda f: best(f.groupby((f["YEAR"] // 10 * 10).map("{}s".format))["SUNACTIVITY"].mean()),
    ),
    Question(
        stats("copper/copper.csv"),
        "Hängt der Kupferpreis vom Aluminiumpreis ab?",
        _correlation("COPPERPRICE", "ALUMPRICE"),
    ),
    Question(
        stats("fertility/fertility.csv"),
        "Which country had the highest fertility rate in 2000?",
        lambda f: top(f.set_index("Country Name")["2000"]),
    ),
    Question(
        stats("cpunish/cpunish.csv"),
        "How many executions were there in the south?",
        lambda f: (str(f[f["SOUTH"] == 1]["EXECUTIONS"].sum()),),
    ),
    Question(
        stats("committee/committee.csv"),
        "top 3 committees by staff",
        lambda f: ("Appropriations (109)", "(99)", "Commerce (79)"),
    ),
    Question(
        stats("statecrime/statecrime.csv"),
        "Hängt die Mordrate mit der Armut zusammen?",
        _correlation("murder", "poverty"),
    ),
    Question(
        stats("statecrime/statecrime.csv"),
        "Which 5 states have the lowest poverty?",
        lambda f: ("New Hampshire (8.5)", "Alaska (9)", "Maryland (9.1)", "Connecticut (9.4)", "New Jersey (9.4)"),
    ),
    Question(vega("la_riots"), "Wie viele Frauen sind gestorben?", lambda f: (str((f["gender"] == "Female").sum()),)),
    Question(vega("la_riots"), "What share of the victims were Latino?", lambda f: ("30.2%", "19 of 63")),
    Question(vega("la_riots"), "Who was the oldest victim?", lambda f: (exact(f["age"].max()), "Vivian", "Austin")),
    Question(
        vega("cars"),
        "Wie ist das Gewicht verteilt?",
        lambda f: tuple(shown(f["Weight_in_lbs"].quantile(share)) for share in (0.25, 0.75, 0.5)),
    ),
    Question(
        vega("cars"),
        "Vergleiche den Verbrauch von USA und Europe",
        lambda f: ("Europe", shown(f[f["Origin"] == "Europe"]["Miles_per_Gallon"].mean()), "USA", "20.08"),
    ),
    Question(
        vega("seattle_weather"),
        "How many rainy days were there per year?",
        lambda f: tuple(
            str(count) for count in f[f["weather"] == "rain"].groupby(f["date"].str[:4])["weather"].count()
        ),
    ),
    Question(
        vega("barley"),
        "Unterscheiden sich die Erträge 1931 und 1932?",
        lambda f: tuple(shown(f[f["year"] == year]["yield"].mean()) for year in (1931, 1932)),
    ),
    Question(vega("iris"), "What distinguishes the species?", lambda f: ("`petalLength`", "5.55", "virginica", "1.46")),
    Question(
        sets.orders,
        "Wie hoch war der Umsatz 2023 insgesamt?",
        lambda f: (shown(f[f["Datum"].dt.year == 2023]["Umsatz"].sum()),),
    ),
    Question(
        sets.orders,
        "Welcher Kunde hat am meisten bestellt?",
        lambda f: (f["Kunde"].mode()[0], str(f["Kunde"].value_counts().max())),
    ),
    Question(
        sets.orders,
        "Wie viel Prozent der Bestellungen sind bezahlt?",
        lambda f: (f"{(f['Bezahlt'] == 'ja').mean():.1%}",),
    ),
    Question(sets.orders, "Durchschnittlicher Umsatz je Region", lambda f: best(f.groupby("Region")["Umsatz"].mean())),
    Question(
        sets.staff,
        "Which department has the highest attrition?",
        lambda f: (lambda left: (left.idxmax(), f"{left.max():.1%}"))(
            (f["LeftCompany"] == "Yes").groupby(f["Department"]).mean()
        ),
    ),
    Question(
        sets.staff,
        "Do women earn less than men?",
        lambda f: tuple(
            part for name in ("Male", "Female") for part in (name, shown(f[f["Gender"] == name]["AnnualSalary"].mean()))
        ),
    ),
    Question(
        sets.staff,
        "How many employees work in Sales in Berlin?",
        lambda f: (str(((f["Department"] == "Sales") & (f["City"] == "Berlin")).sum()),),
    ),
    Question(
        sets.staff,
        "Who earns the most?",
        lambda f: (exact(f["AnnualSalary"].max()), f.loc[f["AnnualSalary"].idxmax(), "FullName"]),
    ),
    Question(vega("cars"), "What will the horsepower be in 1990?"),
    Question(vega("cars"), "Which brand has the best resale value?"),
    Question(vega("cars"), "What does the price depend on?"),
    Question(vega("crimea"), "Which general lost the most soldiers?"),
    Question(stats("modechoice/modechoice.csv"), "What is the average travel cost by mode?"),
    Question(vega("airports"), "Which state has the most airports with a runway of 3000 metres?"),
    Question(vega("stocks"), "Welche Aktie soll ich kaufen? Prognose für nächstes Jahr"),
]


def given(files: Files, folder: Path) -> pd.DataFrame:
    """Write the file into the folder; return it as pandas reads it."""
    if isinstance(files, Path):
        (folder / files.name).write_bytes(files.read_bytes())
        return table(files)
    return files(folder)


def in_order(parts: Right, text: str) -> bool:
    """Return True if the text contains the parts in this order, none of them inside a longer word or number."""
    at = 0
    for part in parts:
        found = re.compile(rf"(?<![\w.]){re.escape(part)}(?![\w]|[.,]\d)").search(text, at)
        if found is None:
            return False
        at = found.end()
    return True


def check(question: Question, workspace: DemoWorkspace) -> None:
    workspace.person_says = question.person_says
    frame = given(question.files, workspace.folder)

    done = workspace.work(question.text, tools=NO_CHART)

    answer = done.last_text.split("\n\nFiles:")[0].replace("\\", "")
    if question.right is None:
        assert done.turns[-1].stop is Stop.NO_RESULT
        assert len(done.used("ask_human")) == 1
        assert done.used("write_file") == []
        return
    assert done.turns[-1].stop is Stop.END_TURN, answer
    assert in_order(question.right(frame), answer), f"{question.right(frame)} not in: {answer}"
    assert answer.split(". ")[0] in workspace.read("report.md").replace("\\", "")


def ids(question: Question) -> str:
    return question.text


@pytest.mark.parametrize("question", THE_22, ids=ids)
def test_the_22_questions_that_were_tried_first(question: Question, workspace: DemoWorkspace) -> None:
    check(question, workspace)


@pytest.mark.parametrize("question", OTHERS, ids=ids)
def test_other_questions_of_the_same_kinds(question: Question, workspace: DemoWorkspace) -> None:
    check(question, workspace)


def test_the_second_part_of_a_question_is_answered(workspace: DemoWorkspace) -> None:
    """The follow-up "… and in which year?" is about the winner."""
    frame = given(vega("stocks"), workspace.folder)
    of_google = frame[frame["symbol"] == "GOOG"]
    years = of_google.groupby(pd.to_datetime(of_google["date"]).dt.year)["price"].mean()

    done = workspace.work("Which stock had the highest average price, and in which year?", tools=NO_CHART)

    assert (
        f"Of GOOG the year with the highest average `price` is {years.idxmax()}: {years.max():,.2f}" in done.last_text
    )


def test_rows_of_a_report_are_all_groups(workspace: DemoWorkspace) -> None:
    frame: Mapping[str, Any] = given(stats("statecrime/statecrime.csv"), workspace.folder)

    workspace.work("Which state has the highest murder rate?", tools=NO_CHART)

    report = workspace.read("report.md")
    assert (
        sum(line.startswith(f"| {state.strip()} |") for state in frame["state"] for line in report.splitlines()) == 51
    )
