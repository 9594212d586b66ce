"""Guarded access to the network. Every URL that came from outside is fetched through here."""

from __future__ import annotations

from tools.http.client import Response, request
from tools.http.targets import Blocked, Egress, HostNotAllowed, NoSuchHost, OtherHost

__all__ = ["Blocked", "Egress", "HostNotAllowed", "NoSuchHost", "OtherHost", "Response", "request"]
