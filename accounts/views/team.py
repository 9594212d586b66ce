"""The settings page of the team: its name and its people."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError
from accounts.forms import TeamForm, add_refusal
from accounts.models import Membership
from accounts.models.roles import ACTIONS
from accounts.services import teams
from accounts.tenancy import TeamRequest, may, require, team_required


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def team_settings(request: TeamRequest) -> HttpResponse:
    form = TeamForm(request.POST or None, initial={"name": request.team.name})
    if request.method == "POST":
        require(request, "team:admin")
        if form.is_valid():
            try:
                team = teams.rename_team(team=request.team, actor=request.user, name=form.cleaned_data["name"])
            except AppError as error:
                add_refusal(form, error)
            else:
                messages.success(request, f"The team is called {team.name}.")
                return redirect("accounts:team_settings", team=team.slug)
    return _team_page(request, form)


def _team_page(request: TeamRequest, form: TeamForm) -> HttpResponse:
    people_here = Membership.objects.filter(team=request.team).select_related("user").order_by("created_at")
    rows = [
        ("See agents, runs and their results", "runs:read"),
        ("Hand over tasks, answer and review", "runs:write"),
        ("Add and change agents", "agents:write"),
        ("Manage API keys and the team", "team:admin"),
    ]
    matrix = [(words, [may(role, action) for role in reversed(ACTIONS)]) for words, action in rows]
    may_manage = may(request.role, "team:admin")
    context = {"form": form, "members": people_here, "matrix": matrix, "may_manage": may_manage}
    return render(request, "accounts/team_settings.html", context, status=422 if form.errors else 200)
