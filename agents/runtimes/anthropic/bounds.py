"""How much a provider may send: an answer no more than its `max_tokens` can be, an error no more than its start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

import httpx2

CHARS_PER_TOKEN, SPARE_CHARS = 64, 64 * 1024
"""A token holds about four characters, and rarely more than sixteen."""
EVENTS_PER_TOKEN, SPARE_EVENTS = 4, 4096
"""Most gateways send a token or more with each event, some a character. Spare: pings, and the ends of blocks."""
BYTES_PER_EVENT, BYTES_PER_CHAR = 256, 6
"""On the wire: the words around a piece of text, and the longest escape of one character."""
ERROR_BYTES = 64 * 1024


class TooLong(Exception):
    """More came than the answer can hold. Says what there was too much of."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that one answer may be."""

    chars: int
    events: int

    @classmethod
    def of(cls, max_tokens: int) -> Self:
        return cls(
            chars=SPARE_CHARS + CHARS_PER_TOKEN * max_tokens, events=SPARE_EVENTS + EVENTS_PER_TOKEN * max_tokens
        )

    @property
    def event_bytes(self) -> int:
        """Of one event: a gateway may send the whole answer as one."""
        return BYTES_PER_EVENT + BYTES_PER_CHAR * self.chars

    @property
    def total_bytes(self) -> int:
        return BYTES_PER_EVENT * self.events + BYTES_PER_CHAR * self.chars


class Bounded(httpx2.AsyncByteStream):
    """A body that is read no further than so many bytes: then TooLong, or its end where `is_cut_quietly`."""

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
    """Read no more than the start of an error or a redirect. The client reads such bodies to their end by itself."""
    if not response.is_success and isinstance(response.stream, httpx2.AsyncByteStream):
        # Packed bytes may be a thousand times as many when they are unpacked, and we asked for none.
        most = 0 if response.headers.get("content-encoding") else ERROR_BYTES
        response.stream = Bounded(response.stream, most, is_cut_quietly=True)
