"""Under which request, and with which key, the code runs. Set at the edge; read by logs, errors and the audit log."""

from __future__ import annotations

from contextvars import ContextVar

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
current_key_label: ContextVar[str] = ContextVar("key_label", default="")
"""The API key that the caller used, such as "CI (dh_1a2b3c4d5e_…)"; empty for a signed-in person."""
