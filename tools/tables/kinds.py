"""Kinds of written values: patterns that mean the same to Python's `re` and to DuckDB's RE2."""

from __future__ import annotations

import re
from collections.abc import Sequence

NULL_WORDS = frozenset(
    {"n/a", "na", "n.a.", "#n/a", "#na", "<na>", "null", "(null)", "none", "nil", "nan", "\\n", "missing", "unknown"}
    | {
        "not available",
        "not applicable",
        "k.a.",
        "k. a.",
        "tbd",
        "-",
        "--",
        "---",
        "\u2013",
        "\u2014",
        ".",
        "..",
        "...",
        "?",
    }
    | {"#null!", "#div/0!", "#ref!", "#value!", "#name?", "#num!"}
)
"""Lower-case words that mean a missing value in a column of numbers, dates or booleans."""

_SIGN = r"[+-]?"
# Between thousands: space, no-break spaces, apostrophes.
GAP = r"[ \x{00a0}\x{202f}'\x{2019}]"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*"
_WEEKDAY = rf"(?:{_DAY},? )?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?"
_TIME = rf"(?:[T ]{_CLOCK}(?: ?[AaPp][Mm])?)"
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))"
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|RUB|INR|SEK|NOK|DKK|PLN|CZK|HUF|AUD|CAD|NZD|BRL|MXN|ZAR|TRY|KRW|HKD|SGD"
CURRENCY = rf"(?:(?:US|CA|AU|NZ|HK|R)?\$|[€£¥₹₽₩₺₴₪฿]|{_CODES}|kr\.?|zł|Kč|Ft|Rs\.?)"

_AMOUNT = r"[0-9.,' \x{2019}\x{00a0}\x{202f}]"
NOT_AMOUNT = f"[^{_AMOUNT[1:]}"

# The first pattern that matches the whole value is its kind.
PATTERNS: dict[str, str] = {
    "int": rf"{_SIGN}(?:0|[1-9]\d{{0,17}})",
    "zeros": rf"{_SIGN}0\d+",  # 00123: an identifier
    "long": rf"{_SIGN}[1-9]\d{{18,}}",  # more digits than a number keeps
    "dot3": rf"{_SIGN}[1-9]\d{{0,2}}\.\d{{3}}",  # 1.234: either meaning
    "dots": rf"{_SIGN}[1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}}",
    "point": rf"{_SIGN}(?:\d+\.\d*|\.\d+)",
    "exponent": rf"{_SIGN}(?:\d+\.?\d*[eE][+-]\d{{1,3}}|(?:\d+\.\d*|\.\d+)[eE]\d{{1,3}})",
    "bare exponent": r"[1-9]\d*[eE]\d{1,3}",  # 12E4: a number, or an article
    "comma3": rf"{_SIGN}[1-9]\d{{0,2}},\d{{3}}",
    "commas": rf"{_SIGN}[1-9]\d{{0,2}}(?:,\d{{3}}){{2,}}",
    "comma": rf"{_SIGN}\d+,\d+",
    "us": rf"{_SIGN}\d{{1,3}}(?:,\d{{3}})+\.\d+",
    "eu": rf"{_SIGN}\d{{1,3}}(?:\.\d{{3}})+,\d+",
    "gaps": rf"{_SIGN}[1-9]\d{{0,2}}(?:{GAP}\d{{3}})+",
    "gaps point": rf"{_SIGN}[1-9]\d{{0,2}}(?:{GAP}\d{{3}})+\.\d+",
    "gaps comma": rf"{_SIGN}[1-9]\d{{0,2}}(?:{GAP}\d{{3}})+,\d+",
    "infinite": rf"{_SIGN}(?i:inf|infinity)",
    "bool": r"(?i:true|false)",
    "iso": r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
    "iso time": rf"\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}[T ]{_CLOCK}",
    "iso zone": rf"\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}[T ]{_CLOCK}{_ZONE}",
    "numeric": r"\d{1,2}(?:/\d{1,2}/|\.\d{1,2}\.|-\d{1,2}-)(?:\d{4}|\d{2})",  # day or month first
    "numeric time": rf"\d{{1,2}}(?:/\d{{1,2}}/|\.\d{{1,2}}\.|-\d{{1,2}}-)(?:\d{{4}}|\d{{2}}),?{_TIME}",
    "month day": rf"{_WEEKDAY}{_MONTH} +\d{{1,2}},? +\d{{4}}{_TIME}?",
    "day month": rf"{_WEEKDAY}\d{{1,2}}[ -]{_MONTH}[ -](?:\d{{4}}|\d{{2}}){_TIME}?",
    "month": rf"{_MONTH}[ -]\d{{4}}",
    "clock": _CLOCK,
    "unit": rf"[+\x{{2212}}(-]?\s*{CURRENCY}?\s*[+\x{{2212}}-]?\d{_AMOUNT}*\s*(?:{CURRENCY}|%)?\s*\)?",
}
NUMBERS = frozenset(
    {"int", "zeros", "long", "dot3", "dots", "point", "exponent", "bare exponent", "comma3", "commas", "comma"}
    | {"us", "eu", "gaps", "gaps point", "gaps comma", "infinite"}
)
DATES = frozenset({"iso", "iso time", "iso zone", "numeric", "numeric time", "month day", "day month", "month"})
# Kinds whose values have only digits, points and commas; some dates do too.
_PLAIN = ("int", "zeros", "long", "dot3", "dots", "point", "comma3", "commas", "comma", "us", "eu")
_ALSO_DATES = ("iso", "numeric")
# First letters of the values that can match a pattern; other words are text.
_FIRST_LETTERS = rf"^(?i:{_MONTH}|{_DAY}|{CURRENCY}|true|false|inf)"
_COMPILED = {kind: re.compile(re.sub(r"\\x\{(\w{4})\}", r"\\u\1", text)) for kind, text in PATTERNS.items()}
_MAX_TYPED = 60
"""Characters of the longest value that is no text."""


def kind(value: str) -> str:
    """Return a key of PATTERNS, "empty" (also for a word that means it), or "text"."""
    text = value.strip()
    if not text or text.lower() in NULL_WORDS:
        return "empty"
    if len(text) > _MAX_TYPED:
        return "text"
    return next((name for name, pattern in _COMPILED.items() if pattern.fullmatch(text)), "text")


def is_doubtful(text: str) -> bool:
    """Return True for a text such as 1.234, which may be thousands or a decimal number."""
    return text[:1] in "+-123456789" and kind(text) == "dot3"


def sql(value: str) -> str:
    """Return `kind` as an SQL expression over a trimmed text.

    It is NULL for an empty text and "null" for a word that means a missing value.
    """
    words = ", ".join(literal(word) for word in sorted(NULL_WORDS))
    others = [name for name in PATTERNS if name not in _PLAIN]
    return f"""CASE
        WHEN {value} IS NULL OR {value} = '' THEN NULL
        WHEN length({value}) > {_MAX_TYPED} THEN 'text'
        WHEN regexp_full_match({value}, '[+-]?[.]?[0-9][0-9.,]*') THEN {_cases(value, (*_PLAIN, *_ALSO_DATES))}
        WHEN regexp_matches({value}, '^[0-9]') THEN {_cases(value, others)}
        WHEN lower({value}) IN ({words}) THEN 'null'
        WHEN regexp_matches({value}, '^\\p{{L}}') AND NOT regexp_matches({value}, {literal(_FIRST_LETTERS)}) THEN 'text'
        ELSE {_cases(value, others)} END"""


def _cases(value: str, names: Sequence[str]) -> str:
    tests = " ".join(
        f"WHEN regexp_full_match({value}, {literal(PATTERNS[name])}) THEN {literal(name)}" for name in names
    )
    return f"CASE {tests} ELSE 'text' END"


def literal(text: str) -> str:
    """Return the text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quote(identifier: str) -> str:
    """Return the name as a quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'
