"""Settings page of security: password, second factors, connected accounts and sessions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.views import ConnectionsView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.devices import client_name, device_name
from accounts.errors import NotFound
from accounts.models import Team, User
from accounts.services import credentials, tokens
from accounts.tenancy import TeamRequest, membership_required

NAMES = {"google": "Google", "github": "GitHub"}


@require_safe
@membership_required
def security(request: TeamRequest) -> HttpResponse:
    user = request.user
    factors = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    codes = next((factor for factor in factors if factor.type == "recovery_codes"), None)
    sessions, clients = credentials.sessions_of(user), list(tokens.families_of(user))
    context = {
        "app": next((factor for factor in factors if factor.type == "totp"), None),
        "passkeys": [factor for factor in factors if factor.type == "webauthn"],
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "identities": _identities(request, user),
        "sessions": [
            {"id": session.pk, "device": device_name(session.user_agent), "ip": session.ip}
            | {"seen_at": session.last_seen_at, "is_current": session.session_key == request.session.session_key}
            for session in sessions
        ],
        "clients": [(family, client_name(family.user_agent)) for family in clients],
        "places": len(sessions) + len(clients),
    }
    return render(request, "accounts/security.html", context)


def _identities(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """Return the connected identities and the providers that can be connected."""
    connected = list(SocialAccount.objects.filter(user=user).order_by("provider"))
    rows = [
        {"id": of.provider, "name": NAMES.get(of.provider, of.provider), "account": of, "label": _label(of)}
        for of in connected
    ]
    taken = {account.provider for account in connected}
    offered = [provider for provider in get_adapter().list_providers(request) if provider.id not in taken]
    return rows + [{"id": provider.id, "name": provider.name, "provider": provider} for provider in offered]


def _label(account: SocialAccount) -> str:
    said = account.extra_data
    return str(said.get("email") or said.get("login") or account.uid)


@require_POST
@membership_required
def session_end(request: TeamRequest, session_id: int) -> HttpResponse:
    if not credentials.end_session(request.user, session_id):
        raise NotFound("This session has ended already.")
    messages.success(request, "That device is signed out.")
    return redirect("accounts:security", team=request.team.slug)


@require_POST
@membership_required
def client_end(request: TeamRequest, family_id: UUID) -> HttpResponse:
    if not credentials.end_client(request.user, family_id):
        raise NotFound("This sign-in has ended already.")
    messages.success(request, "That API client is signed out.")
    return redirect("accounts:security", team=request.team.slug)


@require_POST
@membership_required
def sessions_end_others(request: TeamRequest) -> HttpResponse:
    count = credentials.end_sessions(request.user, keep=request.session.session_key or "")
    messages.success(request, f"Signed out in {count} other place{'' if count == 1 else 's'}.")
    return redirect("accounts:security", team=request.team.slug)


@login_required
def to_security(request: HttpRequest, **_: Any) -> HttpResponse:
    """Redirect to the security page, which replaces allauth's separate lists."""
    teams = Team.objects.filter(memberships__user=request.user)  # type: ignore[misc]
    last = teams.filter(slug=request.session.get("last_team", "")).first()
    team = last or teams.order_by("-is_personal", "created_at").first()
    return redirect("accounts:security", team=team.slug) if team else redirect("home")


class Connections(ConnectionsView):  # type: ignore[misc]
    """View that disconnects an identity. Connecting begins at the provider's own URL."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return to_security(request)

    def form_invalid(self, form: Any) -> HttpResponse:
        for error in [error for errors in form.errors.values() for error in errors]:
            messages.error(self.request, error)
        return to_security(self.request)
