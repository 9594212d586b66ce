"""Pages from the link of an invitation to the team.

Opening the link changes nothing, because mail servers open links too. The token is replaced by an id in the browser's
session, which survives signing in, and stands on no page.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AppError
from accounts.models import Invitation, Membership
from accounts.services import invitations

NOTE = "invitation"
FIRST = "invitation_first"
"""Session key that is set until the signed-in person has seen the invitation once: the home page redirects to it."""


@never_cache
@require_safe
def invitation_open(request: HttpRequest, token: str) -> HttpResponse:
    invitation = invitations.find_invitation(token)
    if invitation is None:
        return render(request, "accounts/invitation_over.html", {"status": "unknown"}, status=404)
    request.session[NOTE] = str(invitation.pk)
    request.session[FIRST] = True
    return redirect("people:invitation")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Show the invitation of the opened link, or accept it on POST."""
    if request.user.is_authenticated:
        request.session.pop(FIRST, None)
    found = _invitation_of_session(request)
    if found is None:
        return render(request, "accounts/invitation_over.html", {"status": "unknown"}, status=404)
    user = request.user
    if user.is_authenticated and Membership.objects.filter(team=found.team, user=user).exists():
        request.session.pop(NOTE, None)
        messages.info(request, f"You are in {found.team.name} already.")
        return redirect("tasks:dashboard", team=found.team.slug)
    if found.status != "open":
        request.session.pop(NOTE, None)
        return render(request, "accounts/invitation_over.html", {"status": found.status}, status=410)
    is_theirs = user.is_authenticated and invitations.is_for(found, user)
    error: AppError | None = None
    if request.method == "POST":
        if not user.is_authenticated:
            return redirect("account_login")
        try:
            invitations.accept(invitation=found, user=user)
        except AppError as refused:
            error = refused
        else:
            request.session.pop(NOTE, None)
            messages.success(request, f"Welcome to {found.team.name}.")
            return redirect("tasks:dashboard", team=found.team.slug)
    context = {"invitation": found, "is_theirs": is_theirs, "error": error}
    return render(request, "accounts/invitation.html", context, status=error.status if error else 200)


def _invitation_of_session(request: HttpRequest) -> Invitation | None:
    rows = Invitation.objects.select_related("team", "invited_by").filter(team__removed_at__isnull=True)
    noted = request.session.get(NOTE)
    return rows.filter(pk=noted).first() if noted else None
