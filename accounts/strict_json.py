"""Strict JSON that memory, PostgreSQL and the wire represent alike.

All input is read through here. PostgreSQL takes no NUL and no unpaired surrogate, stores 1e300 and -0.0 as other
numbers than Python reads, and knows neither NaN nor Infinity. A value that has passed `normalise` comes back from a
`jsonb` or `text` column equal to what was written, so that a digest taken before the write stays valid.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

MAX_DEPTH = 60
"""Levels of nesting."""
LARGEST = int(sys.float_info.max)
"""Largest number, that of a double. Other readers of JSON, such as a model's provider, take no larger one."""
_EXACT = 1e16
"""Size from which Python writes a float with an exponent, and PostgreSQL returns a whole number."""
_ROOM = 20
"""Extra levels of nesting that `storable` allows around a value of MAX_DEPTH: blocks, lists and steps."""


class NotStorable(ValueError):
    """Invalid JSON, or a value that cannot be stored unchanged. The message says why in one sentence."""


def parse(text: str | bytes) -> Any:
    """Parse JSON as it was sent, checking only numbers and depth. Follow it with `normalise`. Raises NotStorable."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise NotStorable(f"It is not JSON: {error.msg} at character {error.pos}.") from None
    except UnicodeDecodeError as error:
        raise NotStorable(f"It is not UTF-8: byte {error.start}.") from None
    except RecursionError:
        raise NotStorable(_too_deep(MAX_DEPTH)) from None
    except ValueError as error:
        raise error if isinstance(error, NotStorable) else NotStorable("A number has too many digits.") from None


def loads(text: str | bytes, *, repair: bool = True) -> Any:
    """Parse and normalise a JSON text. Raises NotStorable."""
    return normalise(parse(text), repair=repair)


def normalise(value: Any, *, repair: bool = True, max_depth: int = MAX_DEPTH) -> Any:
    """Return the value as PostgreSQL will return it.

    Raises NotStorable. A value that is normal already is returned itself, not copied. NUL and unpaired surrogates
    become U+FFFD, or with `repair=False` raise.
    """
    return _normal(value, repair, max_depth, max_depth)


def storable(value: Any) -> Any:
    """Normalise a value that is only stored and shown. What JSON cannot represent becomes text instead of an error."""
    try:
        return _normal(value, True, MAX_DEPTH + _ROOM, MAX_DEPTH + _ROOM)
    except NotStorable:
        return _as_text(value, MAX_DEPTH + _ROOM)


def clean_text(text: str) -> str:
    """Join surrogate pairs, and replace each NUL and unpaired surrogate by U+FFFD."""
    if not is_unstorable(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", "\ufffd")


def is_unstorable(text: str) -> bool:
    """Return True if PostgreSQL would refuse the text."""
    if "\0" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse(constant: str) -> NoReturn:
    raise NotStorable(f"{constant} is not a number in JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise NotStorable(f"The number {text[:20]} is too large.")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _normal(value: Any, repair: bool, left: int, most: int) -> Any:
    if isinstance(value, str):
        return _text(value, repair)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if left == 0:
        raise NotStorable(_too_deep(most))
    if isinstance(value, Mapping):
        return _object(value, repair, left - 1, most)
    if isinstance(value, list | tuple):
        items = [_normal(item, repair, left - 1, most) for item in value]
        same = type(value) is list and all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    raise NotStorable(f"A value is no JSON ({type(value).__name__}).")


def _object(value: Mapping[Any, Any], repair: bool, left: int, most: int) -> Any:
    found: dict[str, Any] = {}
    same = type(value) is dict
    for key, item in value.items():
        if not isinstance(key, str):
            raise NotStorable("The name of a field is not a text.")
        name, new = _text(key, repair), _normal(item, repair, left, most)
        if name in found:
            raise NotStorable(f"Two fields have the same name: {name[:40]!r}.")
        found[name] = new
        same = same and name is key and new is item
    return value if same else found


def _text(value: str, repair: bool) -> str:
    if not is_unstorable(value):
        return value
    if not repair:
        raise NotStorable("A text holds a NUL or half a character.")
    return clean_text(value)


def _number(value: float) -> float:
    if isinstance(value, int):
        if abs(value) > LARGEST:
            raise NotStorable("A number is too large.")
        return value
    if value - value != 0:
        raise NotStorable(f"{value} is not a number in JSON.")
    if value == 0:
        return 0.0
    return int(Decimal(repr(value))) if abs(value) >= _EXACT else value


def _as_text(value: Any, left: int) -> Any:
    """Replace every part that JSON cannot represent by its text."""
    if isinstance(value, Mapping | list | tuple) and left == 0:
        return "(nested too deeply)"
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _as_text(item, left - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(item, left - 1) for item in value]
    try:
        return _normal(value, True, 1, 1)
    except NotStorable:
        return clean_text(_describe(value))


def _describe(value: object) -> str:
    if isinstance(value, float):
        return json.dumps(value)
    return "a very large number" if isinstance(value, int) else str(value)


def _too_deep(most: int) -> str:
    return f"It is nested more than {most} levels deep."
