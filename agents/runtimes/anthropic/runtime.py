"""Runtime on the streaming Messages API. It never retries: the engine counts and journals attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import httpx2
from anthropic import AnthropicError, APIStatusError, AsyncAnthropic, DefaultAsyncHttpxClient

from accounts import strict_json
from agents import pricing
from agents.runtimes.anthropic import failures, wire
from agents.runtimes.anthropic.answer import Answer, Malformed
from agents.runtimes.anthropic.bounds import Bounded, Bounds, TooLong, bound_error
from agents.runtimes.base import Block, OnDelta, Turn, TurnRequest, Usage
from billing.pricing import Tokens, cost_usd

ANSWER_S = 600.0
"""Seconds that an answer may take in all, pings included."""
SILENCE_S = 120.0
"""Seconds between two events. Single bytes do not count as events."""
CONNECT_S = 10.0
TAIL_S = 1.0


class AnthropicRuntime:
    """Claude runtime, shared by all runs of a process; one client and its connections per event loop."""

    name = "anthropic"
    badge = ""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = "",
        answer_s: float = ANSWER_S,
        silence_s: float = SILENCE_S,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url or None
        self._answer_s = answer_s
        self._silence_s = silence_s
        self._connect_s = connect_s
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncAnthropic] = WeakKeyDictionary()

    async def next_turn(self, request: TurnRequest, on_delta: OnDelta) -> Turn:
        price = pricing.BOOK.price(request.model)
        if price is None:
            raise failures.made(failures.NOT_FOUND, detail=f"There is no price for “{request.model}”.")
        if not self._api_key:
            raise failures.made(failures.AUTH, detail="Set ANTHROPIC_API_KEY, or give the agent the demo runtime.")
        answer = Answer(on_delta, most_chars=Bounds.of(request.max_tokens).chars)
        await self._call(request, answer)
        try:
            content = answer.content()
        except Malformed as error:
            raise failures.made(failures.MALFORMED, partial=answer.text, detail=str(error)) from error
        counted = answer.tokens()
        tokens = _estimated(counted, request, content)
        return Turn(
            content=content,
            stop=answer.stop,
            usage=Usage(
                input_tokens=tokens.input,
                cache_read_tokens=tokens.cache_read,
                cache_write_tokens=tokens.cache_write + tokens.cache_write_hour,
                output_tokens=tokens.output,
            ),
            cost_usd=cost_usd(price, tokens),
            provider_message_id=answer.message_id,
            model=answer.model or request.model,
            is_estimate=tokens != counted,
            detail=answer.detail,
        )

    def worst_case_usd(self, request: TurnRequest) -> Decimal:
        return pricing.worst_case_usd(
            model=request.model,
            system=request.system,
            messages=request.messages,
            tools=wire.tools(request),
            max_tokens=request.max_tokens,
        )

    async def _call(self, request: TurnRequest, answer: Answer) -> None:
        """Fill the answer to its end, or raise ModelError. Failures after the end are ignored."""
        try:
            await self._stream(wire.body(request), answer)
        except (AnthropicError, httpx2.HTTPError, TimeoutError, Malformed, TooLong, ValueError) as error:
            if not answer.is_complete:
                raise failures.of(error, partial=answer.text) from error
        if not answer.is_complete:
            raise failures.made(failures.CONNECTION, partial=answer.text, detail="The answer has no end.")

    async def _stream(self, body: dict[str, Any], answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._answer_s
        async with (
            asyncio.timeout(min(self._answer_s, self._silence_s)) as patience,
            self._client().messages.with_streaming_response.create(**body) as response,
        ):
            async for event in _events(response.http_response, Bounds.of(body["max_tokens"])):
                if event.event == "error":
                    raise _told(event.data, response.http_response)
                if event.data:
                    answer.take(strict_json.parse(event.data), size=len(event.data))
                # A connection that was read to its end can be reused, but that is not worth a long wait.
                wait = TAIL_S if answer.is_complete else self._silence_s
                patience.reschedule(min(end, loop.time() + wait))

    def _client(self) -> AsyncAnthropic:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = AsyncAnthropic(
                api_key=self._api_key,
                base_url=self._base_url,
                max_retries=0,
                timeout=(timeout := httpx2.Timeout(self._silence_s, connect=self._connect_s)),
                default_headers={"Accept-Encoding": "identity"},
                http_client=DefaultAsyncHttpxClient(timeout=timeout, event_hooks={"response": [bound_error]}),
            )
        return self._clients[loop]


def _estimated(counted: Tokens, request: TurnRequest, content: Sequence[Block]) -> Tokens:
    """Replace missing counts by upper estimates, never more than was reserved."""
    if not counted.total_input:
        most = pricing.most_input_tokens(system=request.system, messages=request.messages, tools=wire.tools(request))
        counted = replace(counted, input=most)
    if content and not counted.output:
        counted = replace(counted, output=min(request.max_tokens, pricing.most_tokens(content)))
    return counted


async def _events(response: httpx2.Response, bounds: Bounds) -> AsyncIterator[httpx2.ServerSentEvent]:
    """Yield the events of an answer. Raises Malformed if it is not an event stream, TooLong beyond the bounds."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or response.headers.get("content-encoding", "identity") != "identity":
        packed = response.headers.get("content-encoding", "plain")
        raise Malformed(f"It is not a stream of events but {kind or 'of no type'} ({packed}).")
    response.headers["content-type"] = "text/event-stream"  # some gateways call it something else
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Bounded(response.stream, bounds.total_bytes)
    count = 0
    async for event in httpx2.EventSource(response, max_event_size=bounds.event_bytes):
        count += 1
        if count > bounds.events:
            raise TooLong(f"It has more than {bounds.events:,} events.")
        yield event


def _told(data: str, response: httpx2.Response) -> APIStatusError:
    """Return the error of an `error` event; its status code is the 200 that the stream began with."""
    try:
        body = strict_json.parse(data)
    except strict_json.NotStorable:
        body = data
    return APIStatusError(f"{data[:500]}", response=response, body=body)
