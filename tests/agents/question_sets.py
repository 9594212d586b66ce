"""Public data sets to ask about, read with pandas for the right answers and written in common file formats."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import statsmodels
from sklearn.datasets import load_breast_cancer
from vega_datasets import local_data

STATSMODELS = Path(statsmodels.__file__).parent / "datasets"


def vega(name: str) -> Path:
    return Path(getattr(local_data, name).filepath)


def stats(name: str) -> Path:
    return STATSMODELS / name


@cache
def table(path: Path) -> pd.DataFrame:
    """Return the table as pandas reads it, to compute the right answer."""
    return pd.read_json(path) if path.suffix == ".json" else pd.read_csv(path)


def autos(folder: Path) -> pd.DataFrame:
    """Write the cars of vega_datasets with a price that mostly follows their horsepower."""
    cars = table(vega("cars")).dropna(subset=["Horsepower"])
    dice = random.Random(1)  # noqa: S311
    cars = cars.assign(Price=[round(120 * power + dice.gauss(0, 700)) for power in cars["Horsepower"]])
    cars.to_csv(folder / "autos.csv", index=False)
    return cars


def priced(folder: Path) -> pd.DataFrame:
    """Write prices as texts: $1,234.50."""
    cars = autos(folder)[["Name", "Origin", "Price"]]
    (folder / "autos.csv").unlink()
    cars.assign(Price=[f"${price:,.2f}" for price in cars["Price"]]).to_csv(folder / "prices.csv", index=False)
    return cars


def wide(folder: Path) -> pd.DataFrame:
    """Write 192 columns of noise and a target that follows one of them."""
    dice = random.Random(2)  # noqa: S311
    rows = [[dice.gauss(0, 1) for _ in range(192)] for _ in range(300)]
    frame = pd.DataFrame(rows, columns=[f"feature_{number}" for number in range(192)]).round(4)
    frame["target"] = (3 * frame["feature_150"]).round(4)
    frame.to_csv(folder / "wide.csv", index=False)
    return frame


def mixed_dates(folder: Path) -> pd.DataFrame:
    """Write one row per week, with the day in three notations."""
    days = pd.date_range("2023-01-02", periods=60, freq="7D")
    forms = ("%Y-%m-%d", "%d.%m.%Y", "%b %d %Y")
    frame = pd.DataFrame({"day": days, "visitors": [100 + 3 * number for number in range(60)]})
    written = [day.strftime(forms[number % 3]) for number, day in enumerate(days)]
    frame.assign(day=written).to_csv(folder / "visits.csv", index=False)
    return frame


def workbook(folder: Path) -> pd.DataFrame:
    """Write a workbook with the sales on the second of three sheets."""
    frame = pd.DataFrame(
        [(("North", "South", "West")[n % 3], "AB"[n % 2], 100 + n * (n % 3 + 1)) for n in range(80)],
        columns=["region", "product", "revenue"],
    )
    with pd.ExcelWriter(folder / "report.xlsx") as book:
        cover = pd.DataFrame([["Sales report 2024", ""], ["Prepared by", "Finance"]])
        cover.to_excel(book, sheet_name="Cover", header=False, index=False)
        frame.to_excel(book, sheet_name="Sales", index=False)
        pd.DataFrame({"note": ["draft"]}).to_excel(book, sheet_name="Notes", index=False)
    return frame


def tumours(folder: Path) -> pd.DataFrame:
    """Write scikit-learn's breast cancer data with its names and the diagnosis in words."""
    loaded: Any = load_breast_cancer(as_frame=True)
    frame = loaded.frame.rename(columns={"target": "diagnosis"})
    frame["diagnosis"] = frame["diagnosis"].map(dict(enumerate(loaded.target_names)))
    frame.to_csv(folder / "tumours.csv", index=False)
    return frame


def iris_lines(folder: Path) -> pd.DataFrame:
    """Write one JSON object per line."""
    frame = table(vega("iris"))
    lines = [json.dumps(row) for row in frame.to_dict("records")]
    (folder / "iris.jsonl").write_text("\n".join(lines) + "\n")
    return frame


def orders(folder: Path) -> pd.DataFrame:
    """Write orders as a German shop exports them: semicolons, decimal commas, days first, ja and nein."""
    dice = random.Random(7)  # noqa: S311
    rows = []
    for number in range(400):
        day = pd.Timestamp("2022-01-01") + pd.Timedelta(days=dice.randrange(730))
        region, items = dice.choice(["Nord", "Süd", "Ost", "West"]), dice.randrange(1, 10)
        amount = round(items * (20 + {"Nord": 5, "Süd": 15, "Ost": 0, "West": 8}[region]) + dice.random() * 30, 2)
        customer = dice.choice(["Müller GmbH", "Schmidt AG", "Weber KG", "Becker SE"])
        rows.append((5000 + number, customer, region, day, items, amount, dice.choice(["ja", "ja", "nein"])))
    columns = ["Bestellnr", "Kunde", "Region", "Datum", "Menge", "Umsatz", "Bezahlt"]
    frame = pd.DataFrame(rows, columns=columns)
    written = frame.assign(
        Datum=frame["Datum"].dt.strftime("%d.%m.%Y"),
        Umsatz=[f"{each:.2f}".replace(".", ",") for each in frame["Umsatz"]],
    )
    written.to_csv(folder / "bestellungen.csv", index=False, sep=";")
    return frame


def staff(folder: Path) -> pd.DataFrame:
    """Write a personnel list: salaries by department, and who left."""
    dice = random.Random(9)  # noqa: S311
    rows = []
    for number in range(250):
        department, years = dice.choice(["Engineering", "Sales", "Marketing", "Finance"]), dice.randrange(20)
        base = {"Engineering": 70_000, "Sales": 50_000, "Marketing": 45_000, "Finance": 55_000}[department]
        gender = dice.choice(["Male", "Female"])
        salary = round(base + 1500 * years + (5000 if gender == "Male" else 0) + dice.gauss(0, 3000))
        left = "Yes" if dice.random() < (0.35 if department == "Sales" else 0.1) else "No"
        city = dice.choice(["Berlin", "Paris", "London"])
        rows.append((number + 1, f"Person {number + 1}", department, gender, salary, years, left, city))
    columns = [
        "EmployeeID",
        "FullName",
        "Department",
        "Gender",
        "AnnualSalary",
        "YearsAtCompany",
        "LeftCompany",
        "City",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame.to_csv(folder / "employees.csv", index=False)
    return frame
