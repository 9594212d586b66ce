"""Under which request, from where and with which key the code runs. Set at the edge."""

from __future__ import annotations

from contextvars import ContextVar

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
current_key_label: ContextVar[str] = ContextVar("key_label", default="")
"""The API key that the caller used, such as "CI (dh_1a2b3c4d5e_…)"; empty for a signed-in person."""
current_address: ContextVar[str] = ContextVar("address", default="")
"""The address of the caller; empty in jobs and commands."""
is_operator: ContextVar[bool] = ContextVar("is_operator", default=False)
"""Whether an operator acts, in the admin, and not a member of the team."""
