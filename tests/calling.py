"""Calls of the API as an integrator makes them: a key, JSON, nothing else."""

from __future__ import annotations

from typing import Any

from django.test import Client

from accounts.models import Team, User
from accounts.models.roles import ACTIONS, SCOPES
from accounts.services import keys


class Api(Client):
    """Client that speaks JSON."""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one call; keyword arguments are headers, with _ for -."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.generic(
            method,
            path,
            b"" if body is None else self._encode_json(body, "application/json"),
            "application/json",
            headers=names,
        )


def api_of(user: User, team: Team, *scopes: str) -> Api:
    """Return a client with a new key of that person; with every scope of their role unless some are named."""
    membership = team.memberships.get(user=user)
    whole = sorted(ACTIONS[membership.role].intersection(SCOPES))
    _, token = keys.create_key(team=team, actor=user, name="Tests", scopes=scopes or whole)
    return Api(headers={"Authorization": f"Bearer {token}"})


def signed_in(user: User) -> Api:
    """Return a signed-in browser session without its CSRF token."""
    client = Api(enforce_csrf_checks=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
