"""Context variables of the current request: its id, address and key. Set at the edge."""

from __future__ import annotations

from contextvars import ContextVar

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
current_key_label: ContextVar[str] = ContextVar("key_label", default="")
"""Label of the API key, such as "CI (dh_1a2b3c4d5e_…)"; empty for a signed-in person."""
current_address: ContextVar[str] = ContextVar("address", default="")
"""IP address of the caller; empty in jobs and commands."""
is_operator: ContextVar[bool] = ContextVar("is_operator", default=False)
"""True while an operator acts in the admin."""
