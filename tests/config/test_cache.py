"""Connections of the cache: they belong to the process, not to a request."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from django.core.cache import cache, caches


def test_requests_share_one_client() -> None:
    def client() -> object:
        return caches["default"]._cache.get_client()

    first, second = Context().run(client), Context().run(client)

    assert first is second


def test_a_count_begins_at_one_and_goes_up() -> None:
    cache.delete("counted")
    cache.delete("counted-too")

    assert [cache.count({"counted": 5}) for _ in range(2)] == [[1], [2]]
    assert cache.count({"counted": 5, "counted-too": 50}) == [3, 1]
    client: Any = cache._cache.get_client()  # type: ignore[attr-defined]
    ends_in = [client.ttl(cache.make_key(name)) for name in ("counted", "counted-too")]
    assert 0 < ends_in[0] <= 5 < ends_in[1] <= 50
