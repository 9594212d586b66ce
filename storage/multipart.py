"""Multipart parsers that keep file names as the browser sent them."""

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
"""Escapes that browsers use in file names: quotation mark, CR and LF, nothing else (WHATWG, form submission)."""


class FormParser(MultiPartParser):
    """Django's parser, except for file names: Django drops joiners and decodes `&copy` as a character."""

    def sanitize_file_name(self, file_name: str) -> str | None:
        name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), file_name)
        return names.display_name(name) if name.strip(" ./\\") else None


class UploadParser(parsers.MultiPartParser):
    """Parser of multipart requests of the API, with the same file names."""

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
    """Parse the fields and files of a page's form. Replaces `HttpRequest.parse_file_upload`."""
    warning = "The upload was read already."
    request.upload_handlers = ImmutableList(request.upload_handlers, warning=warning)
    parsed: tuple[Any, Any] = FormParser(meta, stream, request.upload_handlers, request.encoding).parse()
    return parsed
