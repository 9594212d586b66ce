"""Pages outside the apps: home, demo sign-in and the styleguide."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import NotFound
from accounts.models import Membership, Team, User
from accounts.tenancy import may
from accounts.views import accept_invitation
from agents.models import Agent
from config.pages import styleguide as samples

LAST_TEAM = "last_team"


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "landing.html", {"has_demo": _demo_user() is not None})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Redirect to the logo, for pages without an icon link, such as the admin's."""
    return redirect(static("logo.svg"))


@csrf_exempt
def not_offered(request: HttpRequest) -> HttpResponse:
    """Return 404 in place of a library's page that we do not offer."""
    raise NotFound("There is nothing here.")


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the team that the person used last, else their own; a team without agents starts with the roles.

    An invitation that they opened before they signed in comes first.
    """
    user: Any = request.user
    if request.session.get(accept_invitation.FIRST):
        return redirect("people:invitation")
    teams = Team.objects.filter(memberships__user=user)
    last = teams.filter(slug=request.session.get(LAST_TEAM, "")).first()
    team = last or teams.order_by("-is_personal", "created_at").first()
    if team is None:
        return redirect("people:team_new")
    is_new = not Agent.objects.for_team(team).exists()
    may_start = may(Membership.objects.get(team=team, user=user).role, "agents:write")
    return redirect("tasks:onboarding" if is_new and may_start else "tasks:dashboard", team=team.slug)


@require_POST
def demo_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as the demo person, if the operator of this machine allows it."""
    user = _demo_user()
    if user is None:
        raise NotFound("There is no demo on this installation.")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    messages.info(request, "You are signed in to the demo team.")
    return redirect("home")


def _demo_user() -> User | None:
    """Return the demo person, or None.

    `make up` writes var/demo.json and sets DEMO_SIGN_IN; public servers have neither.
    """
    if not settings.DEMO_SIGN_IN:
        return None
    try:
        email = json.loads((settings.VAR_DIR / "demo.json").read_text())["email"]
    except (OSError, ValueError, KeyError):
        return None
    return User.objects.filter(email=email, is_active=True, is_staff=False).first()


@staff_member_required
def styleguide(request: HttpRequest) -> HttpResponse:
    return render(request, "styleguide.html", samples.context())
