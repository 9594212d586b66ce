"""Reading JSON that PostgreSQL can keep: bounded in size and depth, no NUL, no half characters, no infinite numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from accounts.api.errors import TooLarge

MAX_DEPTH = 60


class StrictJSONParser(BaseParser):
    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(f"Send at most {limit // 1024 // 1024} MB of JSON; upload what is larger as a file.")
        try:
            data = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"The body is not JSON that we read: {str(error)[:120]}") from None
        _check(data, MAX_DEPTH)
        return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number.")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large.")
    return number


def _check(value: Any, depth_left: int) -> None:
    if depth_left == 0:
        raise ParseError("The body is nested too deeply.")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ParseError("A text holds a NUL or half a character.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check(key, depth_left - 1)
            _check(item, depth_left - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth_left - 1)
