"""Settings: the person, the team, and its API keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.views import PasswordResetFromKeyView
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AppError
from accounts.forms import ApiKeyForm, ProfileForm, TeamForm, add_refusal
from accounts.models import ApiKey, Membership
from accounts.models.roles import ACTIONS
from accounts.services import keys, people, teams
from accounts.tenancy import TeamRequest, may, require, team_required


@require_safe
@team_required
def settings_home(request: TeamRequest) -> HttpResponse:
    return redirect("accounts:profile", team=request.team.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def profile(request: TeamRequest) -> HttpResponse:
    user = request.user
    form = ProfileForm(request.POST or None, initial={"name": user.name, "hue": user.hue})
    if request.method == "POST" and form.is_valid():
        try:
            people.update_profile(user=user, name=form.cleaned_data["name"], hue=form.cleaned_data["hue"] or None)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, "Your profile is saved.")
            return redirect("accounts:profile", team=request.team.slug)
    context = {"form": form, "hues": people.HUES}
    return render(request, "accounts/profile.html", context, status=422 if form.errors else 200)


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


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def api_keys(request: TeamRequest) -> HttpResponse:
    """The keys of the team. The answer to the form is the only place where a new key's token is ever shown."""
    allowed = ACTIONS[request.role]
    form = ApiKeyForm(request.POST or None, allowed=allowed)
    made: tuple[ApiKey, str] | None = None
    if request.method == "POST":
        require(request, "team:admin")
        if form.is_valid():
            try:
                made = keys.create_key(
                    team=request.team,
                    actor=request.user,
                    name=form.cleaned_data["name"],
                    scopes=form.cleaned_data["scopes"],
                    expires_at=form.expires_at(),
                )
                form = ApiKeyForm(allowed=allowed)
            except AppError as error:
                add_refusal(form, error)
    context = {
        "form": form,
        "keys": ApiKey.objects.for_team(request.team)
        .filter(revoked_at=None)
        .select_related("created_by")
        .order_by("-id"),
        "made": made,
        "may_manage": may(request.role, "team:admin"),
        "base_url": settings.BASE_URL,
    }
    return render(request, "accounts/api_keys.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def api_key_revoke(request: TeamRequest, key_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    key = get_object_or_404(ApiKey.objects.for_team(request.team), pk=key_id)
    if request.method == "POST":
        keys.revoke_key(key=key, actor=request.user)
        messages.success(request, f"The key {key.name} is revoked.")
        return redirect("accounts:api_keys", team=request.team.slug)
    return render(request, "accounts/api_key_revoke.html", {"key": key})


class ResetFromLink(PasswordResetFromKeyView):  # type: ignore[misc]
    """The page behind a reset link. A link that is used up or made up is an error, also for who cannot see the page."""

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        status = 400 if context.get("token_fail") else 200
        response: HttpResponse = super().render_to_response(context, status=status, **more)
        return response
