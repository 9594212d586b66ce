"""Size limits of provider responses: an answer cannot exceed its `max_tokens`; of an error only the start is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import httpx2

CHARS_PER_TOKEN, SPARE_CHARS = 64, 64 * 1024
"""Characters per token, and a fixed allowance. A token has about four characters, rarely more than sixteen."""
EVENTS_PER_TOKEN, SPARE_EVENTS = 4, 4096
"""Events per token, and a fixed allowance for pings and block ends.

Most gateways send a token or more per event, some a character.
"""
BYTES_PER_EVENT, BYTES_PER_CHAR = 256, 6
"""Bytes on the wire: JSON around a piece of text, and the longest escape of one character."""
ERROR_BYTES = 64 * 1024


class TooLong(Exception):
    """The response exceeds its limit. The message names the limit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Size limits of one answer."""

    chars: int
    events: int

    @classmethod
    def of(cls, max_tokens: int) -> Self:
        return cls(
            chars=SPARE_CHARS + CHARS_PER_TOKEN * max_tokens, events=SPARE_EVENTS + EVENTS_PER_TOKEN * max_tokens
        )

    @property
    def event_bytes(self) -> int:
        """Return the limit of a single event: a gateway may send the whole answer as one."""
        return BYTES_PER_EVENT + BYTES_PER_CHAR * self.chars

    @property
    def total_bytes(self) -> int:
        return BYTES_PER_EVENT * self.events + BYTES_PER_CHAR * self.chars


class Bounded(httpx2.AsyncByteStream):
    """Response body limited to `most` bytes: beyond that TooLong, or a silent end if `is_cut_quietly`."""

    def __init__(self, body: httpx2.AsyncByteStream, most: int, *, is_cut_quietly: bool = False) -> None:
        self._body = body
        self._left = most
        self._is_cut_quietly = is_cut_quietly

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            if len(piece) > self._left:
                if self._is_cut_quietly:
                    yield piece[: self._left]
                    return
                raise TooLong("It has more bytes than that.")
            self._left -= len(piece)
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


async def bound_error(response: httpx2.Response) -> None:
    """Limit the body of an error or a redirect to its start. The client would read such bodies to their end."""
    if not response.is_success and isinstance(response.stream, httpx2.AsyncByteStream):
        # Compressed bytes may expand a thousandfold, and we asked for no compression.
        most = 0 if response.headers.get("content-encoding") else ERROR_BYTES
        response.stream = Bounded(response.stream, most, is_cut_quietly=True)
