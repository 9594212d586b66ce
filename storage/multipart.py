"""Reading uploads of forms, with the names of their files as the person's computer has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import IO, Any

from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import ImmutableList
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from storage import names

_ESCAPED = re.compile("%(22|0D|0A)", re.IGNORECASE)
"""What browsers write for a quotation mark and a line break in a name, and nothing else (WHATWG, form submission)."""


class FormParser(MultiPartParser):
    """Django's, whose own reading of names drops joiners and takes `&copy` in a name for a character."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), file_name)
        return names.display_name(name) if name.strip(" ./\\") else None


class UploadParser(parsers.MultiPartParser):
    """The same for the API."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request: Any = (parser_context or {})["request"]
        body: Any = stream
        meta = request.META | {"CONTENT_TYPE": media_type}
        try:
            data, files = FormParser(meta, body, request.upload_handlers, request.encoding).parse()
        except MultiPartParserError as error:
            raise ParseError(f"The form cannot be read: {error}") from None
        return parsers.DataAndFiles(data, files)


def read_form(request: Any, meta: Mapping[str, Any], stream: Any) -> tuple[Any, Any]:
    """In place of `HttpRequest.parse_file_upload`: fields and files of a page's form."""
    warning = "The upload was read already."
    request.upload_handlers = ImmutableList(request.upload_handlers, warning=warning)
    parsed: tuple[Any, Any] = FormParser(meta, stream, request.upload_handlers, request.encoding).parse()
    return parsed
