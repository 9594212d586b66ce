"""Navigation pages in the order of the sidebar; the command palette lists the same ones."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from accounts.tenancy import may


@dataclass(frozen=True, slots=True)
class Page:
    label: str
    icon: str
    url_name: str
    owns: tuple[str, ...] = ()
    """Prefixes of the URL names that belong to this page; it is highlighted on them."""
    keys: str = ""
    """Keyboard shortcut, as static/dist/js/shortcuts.js defines it."""
    needs: str = "runs:read"
    """Scope that a role needs to see the page."""


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    icon: str
    href: str
    is_current: bool
    keys: str
    url_name: str


SETTINGS = (
    *("accounts:settings", "accounts:profile", "accounts:security", "accounts:notification_choices", "accounts:team_"),
    *("accounts:member", "accounts:api_key", "accounts:audit", "billing:", "tasks:budgets"),
)
GROUPS: tuple[tuple[str, tuple[Page, ...]], ...] = (
    (
        "",
        (
            Page("Home", "house", "tasks:dashboard", ("tasks:dashboard",), "g h"),
            Page("Inbox", "inbox", "tasks:inbox", ("tasks:inbox", "tasks:request_"), "g i"),
        ),
    ),
    (
        "Work",
        (
            Page(
                "Agents",
                "users-round",
                "tasks:agent_list",
                ("tasks:agent_", "tasks:memory_", "tasks:onboarding"),
                "g a",
            ),
            Page("Tasks", "list-checks", "tasks:task_list", ("tasks:task_",), "g t"),
            Page("Runs", "activity", "tasks:run_list", ("tasks:run_", "tasks:runs_", "tasks:artifact_"), "g r"),
        ),
    ),
    (
        "Manage",
        (Page("Settings", "settings", "accounts:settings", SETTINGS, "g s", ""),),
    ),
)
ACTIONS: tuple[Page, ...] = (
    Page("New run…", "play", "tasks:run_new", keys="r"),
    Page("Create a task", "list-plus", "tasks:task_new"),
    Page("Add agent", "user-plus", "tasks:agent_new"),
    Page("Create an API key", "key-round", "accounts:api_keys"),
)


def links(pages: tuple[Page, ...], team: str, role: str, current: str = "") -> list[Link]:
    """Return the pages that the role may see, as links for the team; the one that owns `current` is marked."""
    return [
        Link(
            label=page.label,
            icon=page.icon,
            href=reverse(page.url_name, kwargs={"team": team}),
            is_current=current.startswith(page.owns),
            keys=page.keys,
            url_name=page.url_name,
        )
        for page in pages
        if not page.needs or may(role, page.needs)
    ]
