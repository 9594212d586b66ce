"""Settings pages of the team: rename, transfer, leave, delete; and a new team."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError, Conflict
from accounts.forms import NewTeamForm, TeamDeleteForm, TeamForm, TransferForm, add_refusal
from accounts.models import Membership, Role, User
from accounts.removal import dependents, open_links_by
from accounts.services import deletion, members, teams
from accounts.tenancy import TeamRequest, may, membership_required, require

ENDS = (
    ("live_runs", "live run is cancelled", "live runs are cancelled"),
    ("agents", "agent stops", "agents stop"),
    ("tasks", "task goes away", "tasks go away"),
    ("files", "file is out of reach", "files are out of reach"),
    ("api_keys", "API key is revoked", "API keys are revoked"),
    ("invitations", "invitation is revoked", "invitations are revoked"),
    ("members", "person loses access, and their open pages close", "people lose access, and their open pages close"),
)


@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
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
    owners = Membership.objects.filter(team=request.team, role=Role.OWNER, user__is_active=True)
    context = {
        "form": form,
        "may_manage": may(request.role, "team:admin"),
        "may_own": may(request.role, "team:own"),
        "is_last_owner": may(request.role, "team:own") and owners.count() < 2,
        "has_others": Membership.objects.filter(team=request.team).exclude(user=request.user).exists(),
    }
    return render(request, "accounts/team_settings.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def team_transfer(request: TeamRequest) -> HttpResponse:
    require(request, "team:own")
    others = Membership.objects.filter(team=request.team).exclude(user=request.user).select_related("user")
    form = TransferForm(request.POST or None, others=[one.user for one in others.order_by("id")])
    if request.method == "POST" and form.is_valid():
        user = form.chosen()
        try:
            members.transfer_ownership(team=request.team, actor=request.user, user=user)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"The team is {user.display_name}'s now. You are an admin of it.")
            return redirect("accounts:members", team=request.team.slug)
    return render(request, "accounts/team_transfer.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def team_leave(request: TeamRequest) -> HttpResponse:
    if request.method == "POST":
        try:
            members.remove_member(team=request.team, actor=request.user, user=request.user)
        except Conflict as error:
            messages.error(request, error.detail)
            return redirect("accounts:team_settings", team=request.team.slug)
        messages.success(request, f"You have left {request.team.name}.")
        return redirect("home")
    is_only = not Membership.objects.filter(user=request.user).exclude(team=request.team).exists()
    links = open_links_by(request.team, request.user)
    return render(request, "accounts/team_leave.html", {"is_only": is_only, "links": links})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def team_delete(request: TeamRequest) -> HttpResponse:
    require(request, "team:own")
    form = TeamDeleteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            deletion.remove_team(team=request.team, actor=request.user, confirm=form.cleaned_data["confirm"])
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{request.team.name} is deleted.")
            return redirect("home")
    counted = dependents(request.team)
    ends = [f"{counted[kind]} {one if counted[kind] == 1 else many}" for kind, one, many in ENDS if counted.get(kind)]
    is_only = not Membership.objects.filter(user=request.user).exclude(team=request.team).exists()
    context = {"form": form, "ends": ends, "is_only": is_only}
    return render(request, "accounts/team_delete.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def team_new(request: HttpRequest) -> HttpResponse:
    """Create a team. People who are in no team any more are sent here."""
    user = cast(User, request.user)
    form = NewTeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            team = teams.create_team(owner=user, name=form.cleaned_data["name"])
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{team.name} is ready.")
            request.session["last_team"] = team.slug
            return redirect("home")
    context = {"form": form, "has_team": Membership.objects.filter(user=user).exists()}
    return render(request, "accounts/team_new.html", context, status=422 if form.errors else 200)
