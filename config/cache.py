"""The cache in Valkey, which may be away: then every lookup misses at once, and nothing that people wait for breaks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
T = TypeVar("T")
REST_S = 2.0
"""After a failure nobody asks for this long: a paused Valkey costs one time-out, not one for each request."""


class ForgivingRedisCache(RedisCache):
    _rest_until = 0.0

    def _try(self, ask: Callable[[], T], otherwise: T) -> T:
        if time.monotonic() < type(self)._rest_until:
            return otherwise
        try:
            return ask()
        except (RedisError, OSError) as error:
            type(self)._rest_until = time.monotonic() + REST_S
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
