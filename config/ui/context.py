"""Template context of every page: the theme and, inside a team, the navigation."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest

from accounts.models import Notification
from accounts.tenancy import may
from accounts.tracing import current_request_id
from config.ui import nav
from tasks.models import HumanRequest, Run, RunStatus

THEMES = ("light", "dark", "system")


def shell(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get("theme", "")
    found: dict[str, Any] = {
        "theme": theme if theme in THEMES else "system",
        "request_id": current_request_id.get(),
        "csp_nonce": getattr(request, "csp_nonce", ""),
        "team": getattr(request, "team", None),
    }
    team = found["team"]
    if team is not None:
        match, role = request.resolver_match, getattr(request, "role", "")
        access: Any = getattr(request, "access", None)
        found["nav"] = [
            {"label": label, "pages": nav.links(pages, team.slug, role, match.view_name if match else "")}
            for label, pages in nav.GROUPS
        ]
        found["may_read"] = may(role, "runs:read")
        found["actions"] = nav.links(nav.ACTIONS, team.slug, role)
        found["inbox_count"] = cache(HumanRequest.objects.visible_to(access).open().count)
        actions = access.actions if access else ()
        mine = Notification.objects.for_team(team).shown_to(request.user, actions).unread()  # type: ignore[arg-type]
        found["unread_count"] = cache(mine.count)
        found["has_running"] = cache(Run.objects.visible_to(access).filter(status=RunStatus.RUNNING).exists)
    return found
