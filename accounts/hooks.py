"""Extension points: how a lower app reaches a higher one, and the hooks of accounts.

A lower app declares a hook as a function signature with a docstring; higher apps register functions of that signature
in their `receivers`. Calling the hook calls each of them in the caller's transaction and returns their answers; an
exception reaches the caller, so a function that raises refuses what is about to happen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, ParamSpec, TypeVar
from uuid import UUID

from accounts.models import Notification, Role, Team, User

P = ParamSpec("P")
R = TypeVar("R")


class Hook(Generic[P, R]):
    """Functions that are registered under one signature."""

    def __init__(self, signature: Callable[P, R]) -> None:
        self.name = f"{signature.__module__.partition('.')[0]}.{signature.__name__}"
        self.__doc__ = signature.__doc__
        self.functions: list[Callable[P, R]] = []

    def register(self, function: Callable[P, R]) -> Callable[P, R]:
        """Add the function; usable as a decorator. Registering it again changes nothing."""
        if function not in self.functions:
            self.functions.append(function)
        return function

    def unregister(self, function: Callable[P, R]) -> None:
        self.functions.remove(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> list[R]:
        """Call every function in the order of registration and return what each returned."""
        return [function(*args, **kwargs) for function in self.functions]


def hook(signature: Callable[P, R]) -> Hook[P, R]:
    """Declare a hook with this signature, name and docstring."""
    return Hook(signature)


@hook
def team_created(*, team: Team, owner: User) -> None:
    """React to a new team and its owner's membership, inside the transaction that made them."""


@hook
def member_joining(*, team: Team) -> None:
    """Refuse, by raising, that a person becomes a member. The team's row is locked."""


@hook
def member_inviting(*, team: Team, adding: int) -> None:
    """Refuse, by raising, that somebody is invited. `adding` is 1, or 0 if the link still works. The row is locked."""


@hook
def team_removed(*, team: Team, actor: User | None) -> None:
    """Stop the work of a team that is being deleted."""


@hook
def team_dependents(*, team: Team) -> Mapping[str, int]:
    """Count, by kind, what ends when the team is deleted, such as {"agents": 2}."""
    return {}


@hook
def links_made_by(*, team: Team, person: User) -> int:
    """Count the open links into the team that the person made and that outlive their membership."""
    return 0


@hook
def notifications_changed(*, team_id: UUID, people: Collection[UUID]) -> None:
    """React, after the commit, to notifications of these people (ids) having been added or read."""


@hook
def notification_outdated(*, notification: Notification, role: Role | str) -> str:
    """Say why a member of that role need not get the notification any more, or ""."""
    return ""
