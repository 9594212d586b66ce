"""The one guarded way out to the network. Whatever fetches an address that came from outside goes through here."""

from __future__ import annotations

from tools.http.client import Response, request
from tools.http.targets import Blocked, Egress, HostNotAllowed, NoSuchHost, OtherHost

__all__ = ["Blocked", "Egress", "HostNotAllowed", "NoSuchHost", "OtherHost", "Response", "request"]
