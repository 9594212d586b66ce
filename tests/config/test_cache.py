"""The cache's connections belong to the process, not to the request that happens to use them."""

from __future__ import annotations

from contextvars import Context

from django.core.cache import cache, caches


def test_requests_share_one_client() -> None:
    def client() -> object:
        return caches["default"]._cache.get_client()

    first, second = Context().run(client), Context().run(client)

    assert first is second


def test_a_count_begins_at_one_and_goes_up() -> None:
    cache.delete("counted")

    assert [cache.count("counted", timeout=5) for _ in range(3)] == [1, 2, 3]
