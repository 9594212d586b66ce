"""Settings page of API keys."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError
from accounts.forms import ApiKeyForm, add_refusal
from accounts.models import ApiKey
from accounts.models.roles import ACTIONS
from accounts.services import keys
from accounts.tenancy import TeamRequest, may, require, team_required


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def api_keys(request: TeamRequest) -> HttpResponse:
    """List the team's keys, or create one on POST. Only the response to the form ever shows a new key's token."""
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
