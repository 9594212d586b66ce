"""Client of the API that retries with care."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any


class Lost(Exception):
    """No response came: the call may or may not have happened."""


class Api:
    def __init__(self, url: str, key: str, statuses: Counter[str]) -> None:
        self.url = url
        self.key = key
        self._statuses = statuses

    def call(
        self, method: str, path: str, body: Any = None, *, idempotency_key: str = "", timeout_s: float = 15
    ) -> tuple[int, Any]:
        """Return the status and the JSON of the response. Raises Lost."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)  # noqa: S310
        name = f"{method} {'/'.join(part for part in path.split('?')[0].split('/') if len(part) < 30)}"
        try:
            status, text = self._send(request, timeout_s)
        except Lost:
            self._statuses[f"{name} no answer"] += 1
            raise
        self._statuses[f"{name} {status}"] += 1
        try:
            return status, json.loads(text) if text else None
        except ValueError as error:
            raise Lost from error  # cut off in the middle

    @staticmethod
    def _send(request: urllib.request.Request, timeout_s: float) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - our own
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            try:
                return refused.code, refused.read()
            except (OSError, http.client.HTTPException) as error:
                raise Lost from error
        except (OSError, http.client.HTTPException) as error:
            raise Lost from error
