"""Cache in Valkey. While Valkey is down, every lookup misses at once and no request fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
T = TypeVar("T")
BACKOFF_S = 2.0
"""Seconds without any attempt after a failure, so that a paused Valkey costs one time-out and not one per request."""
COUNT = """
local counts = {}
for n, key in ipairs(KEYS) do
    counts[n] = redis.call('INCR', key)
    if counts[n] == 1 then redis.call('EXPIRE', key, ARGV[n]) end
end
return counts
"""


_clients: dict[str, Any] = {}


class _Client(RedisCacheClient):
    """Django's client, shared by the process.

    Django makes a cache per request, and a connection costs ten times what a command does.
    """

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        server = self._servers[0]  # type: ignore[attr-defined]
        if server not in _clients:
            _clients[server] = super().get_client(key, write=True)
        return _clients[server]


class ForgivingRedisCache(RedisCache):
    _retry_at = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._class = _Client

    def _try(self, ask: Callable[[], T], otherwise: T) -> T:
        if time.monotonic() < type(self)._retry_at:
            return otherwise
        try:
            return ask()
        except (RedisError, OSError) as error:
            type(self)._retry_at = time.monotonic() + BACKOFF_S
            log.warning("The cache does not answer (%s); going on without it.", error)
            return otherwise

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return self._try(lambda: super(ForgivingRedisCache, self).add(*args, **kwargs), True)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._try(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._try(lambda: super(ForgivingRedisCache, self).set(*args, **kwargs), None)

    def touch(self, *args: Any, **kwargs: Any) -> bool:
        return self._try(lambda: super(ForgivingRedisCache, self).touch(*args, **kwargs), False)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return self._try(lambda: super(ForgivingRedisCache, self).delete(*args, **kwargs), False)

    def get_many(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self._try(lambda: super(ForgivingRedisCache, self).get_many(*args, **kwargs), {})

    def incr(self, *args: Any, **kwargs: Any) -> int:
        return self._try(lambda: super(ForgivingRedisCache, self).incr(*args, **kwargs), 1)

    def count(self, timeouts: Mapping[str, int]) -> list[int] | None:
        """Add one to each counter in one round trip; return the counts, or None while Valkey is down.

        `timeouts` maps each key to the seconds after its first count at which it starts again at zero.
        """
        names = [self.make_and_validate_key(key) for key in timeouts]

        def ask() -> list[int]:
            return list(self._cache.get_client(names[0]).eval(COUNT, len(names), *names, *timeouts.values()))

        return self._try(ask, None)
