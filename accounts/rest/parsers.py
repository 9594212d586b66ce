"""Parser of API bodies: JSON of bounded size, read strictly (accounts/strict_json.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from accounts import strict_json
from accounts.rest.errors import TooLarge


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
            return strict_json.loads(raw, repair=False)
        except strict_json.NotStorable as error:
            raise ParseError(f"The body is not JSON that can be kept. {error}") from None
