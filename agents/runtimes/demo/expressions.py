"""SQL expressions for columns and values, for DuckDB.

Every name and value from outside goes through `name` or `literal`.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.runtimes.demo.table_columns import MOST_NUMBERS, Column, Kind, Style

EMPTY = "(empty)"
MISSING = ("", "na", "n/a", "n.a.", "null", "nan", "<na>", "-", "--", "?", "k.a.", "k. a.", "#n/a")
MONEY_SIGNS = "$€£¥"
YEARS_FIRST = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m",
)  # fmt: skip
DAYS_FIRST = (
    "%d.%m.%y", "%d.%m.%Y", "%d/%m/%y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M",
)  # fmt: skip
MONTHS_FIRST = ("%m/%d/%y", "%m/%d/%Y", "%m-%d-%Y", "%m/%d/%Y %H:%M")
WORDS = (
    "%b %d %Y", "%b %d, %Y", "%d %b %Y", "%d. %b %Y", "%B %d %Y", "%B %d, %Y", "%d %B %Y", "%d. %B %Y", "%b-%d-%Y",
    "%d-%b-%Y", "%d-%b-%y", "%b %Y", "%B %Y", "%b-%y", "%A, %d %B %Y", "%a %d %b %Y",
)  # fmt: skip
QUARTER = "quarter"
"""Pseudo-format of quarters: 1974Q1, Q1 1974, 1974-Q1."""
GERMAN = "german"
"""Pseudo-format that goes with formats with month names: the names are German."""
GERMAN_MONTHS = {
    "januar": "january", "februar": "february", "märz": "march", "mai": "may", "juni": "june", "juli": "july",
    "oktober": "october", "dezember": "december", "mrz": "mar", "okt": "oct", "dez": "dec",
}  # fmt: skip


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def reference(column: Column) -> str:
    """Return the column's SQL: its name, or the expression of a derived column."""
    return column.expression or name(column.name)


def text(column: Column) -> str:
    """Return the value as text, for comparison with words; of a flag true or false as the file writes it.

    NULL for marks of missing values such as N/A.
    """
    value = f"CAST({reference(column)} AS VARCHAR)"
    return f"CASE WHEN NOT {says_missing(reference(column))} THEN {value} END" if column.marked_missing else value


def number(column: Column) -> str:
    """Return the value as DOUBLE, NULL if it is not a number."""
    if column.style is not None:
        return number_in_text(reference(column), column.style)
    return f"CAST({reference(column)} AS DOUBLE)"


def number_in_text(reference: str, style: Style) -> str:
    """Return the number in texts such as "$1,234.50", "12 %", "(30)" or "1.234,50 €"."""
    bare = f"regexp_replace({reference}, '[^0-9.,()+-]', '', 'g')"
    negative = f"regexp_replace({bare}, '^\\((.*)\\)$', '-\\1')"
    plain = f"replace({negative}, ',', '')"
    if style is Style.COMMA:
        plain = f"replace(replace({negative}, '.', ''), ',', '.')"
    return f"TRY_CAST({plain} AS DOUBLE)"


def is_number_text(reference: str, style: Style) -> str:
    """Return a condition: the text is a number in this style, apart from currency and percent signs."""
    group, point = (",", "\\.") if style is Style.POINT else ("\\.", ",")
    sign = f"[{MONEY_SIGNS}]|USD|EUR|GBP|CHF|US\\$"
    pattern = (
        f"\\s*\\(?\\s*[-+]?\\s*({sign})?\\s*[-+]?([0-9]{{1,3}}({group}[0-9]{{3}})+|[0-9]+)({point}[0-9]+)?"
        f"\\s*(%|{sign})?\\s*\\)?\\s*"
    )
    return f"regexp_full_match({reference}, {literal(pattern)}, 'i')"


def date(column: Column) -> str:
    """Return the value as TIMESTAMP, NULL if it is not a date."""
    return date_in_text(reference(column), column.dates) if column.dates else f"CAST({reference(column)} AS TIMESTAMP)"


def date_in_text(reference: str, formats: Sequence[str]) -> str:
    """Parse the text by the first format that matches."""
    source = f"trim(CAST({reference} AS VARCHAR))"
    if GERMAN in formats:
        source = _with_english_months(source)
    parts = []
    listed = ", ".join(literal(each) for each in formats if each not in (QUARTER, GERMAN))
    if listed:
        parts.append(f"try_strptime({source}, [{listed}])")
    if QUARTER in formats:
        year = f"TRY_CAST(regexp_extract({source}, '([0-9]{{4}})', 1) AS INTEGER)"
        quarter = f"TRY_CAST(regexp_extract({source}, '[Qq]([1-4])', 1) AS INTEGER)"
        parts.append(f"CAST(make_date({year}, {quarter} * 3 - 2, 1) AS TIMESTAMP)")
    return f"coalesce({', '.join(parts)})"


def is_quarter(reference: str) -> str:
    return f"regexp_full_match(trim(CAST({reference} AS VARCHAR)), '(1[0-9]|20)[0-9]{{2}}[ -]?[Qq][1-4]|[Qq][1-4][ -/]?[0-9]{{4}}')"  # fmt: skip # noqa: E501


def _with_english_months(source: str) -> str:
    result = f"lower({source})"
    for german, english in GERMAN_MONTHS.items():
        result = f"regexp_replace({result}, '\\b{german}\\b', '{english}')"
    return result


def is_missing(column: Column) -> str:
    """Return a condition: the cell is empty or marked as missing."""
    if not column.is_text:
        return f"{reference(column)} IS NULL"
    return f"({reference(column)} IS NULL OR {says_missing(reference(column))})"


def says_missing(reference: str) -> str:
    return f"lower(trim({reference})) IN ({', '.join(map(literal, MISSING))})"


def flag(column: Column, value: str = "") -> str:
    """Return 1 if the column has the value, 0 for another value, NULL for none. Without a value: if a flag is yes."""
    if column.type == "BOOLEAN" and (not value or value.lower() in ("true", "false")):
        yes = f"CAST({reference(column)} AS INTEGER)"
        return f"1 - {yes}" if value.lower() == "false" else yes
    return f"CAST({text(column)} = {literal(value or column.yes)} AS INTEGER)"


def measured(column: Column) -> str:
    """Return the value to average: the number, or 1 and 0 of a flag."""
    return flag(column) if column.kind is Kind.FLAG else number(column)


def group(column: Column) -> str:
    """Return the group of a row as text, never NULL: dates by month, many numbers by quartile."""
    if column.kind is Kind.DATE:
        value = f"strftime({date(column)}, '%Y-%m')"
    elif column.kind is Kind.NUMBER and column.distinct > MOST_NUMBERS:
        value = _quarter(column)
    else:
        value = text(column)
    return f"coalesce({value}, {literal(EMPTY)})"


def _quarter(column: Column) -> str:
    bounds = sorted({float(f"{float(quartile):.3g}") for quartile in column.quartiles})
    if not bounds:
        return text(column)
    value = number(column)
    cases = " ".join(
        f"WHEN {value} <= {bound:.12g} THEN {literal(_label(bounds, at))}" for at, bound in enumerate(bounds)
    )
    return f"CASE {cases} WHEN {value} IS NOT NULL THEN {literal(f'over {bounds[-1]:.12g}')} END"


def _label(bounds: Sequence[float], at: int) -> str:
    return f"up to {bounds[0]:.12g}" if at == 0 else f"{bounds[at - 1]:.12g} to {bounds[at]:.12g}"
