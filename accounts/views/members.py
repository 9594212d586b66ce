"""Settings page of members: roles, invitations, removal."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import AppError, Conflict, LimitReached
from accounts.forms import InviteForm, RoleForm, add_refusal
from accounts.models import Invitation, Membership, Role, User
from accounts.models.roles import ACTIONS, may_manage
from accounts.removal import open_links_by
from accounts.services import invitations
from accounts.services import members as service
from accounts.tenancy import TeamRequest, may, membership_required, require

ROLES = (Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.BILLING)
MATRIX = (
    ("See agents, runs and their results", "runs:read"),
    ("Hand over tasks, answer and review", "runs:write"),
    ("Add and change agents", "agents:write"),
    ("See what is spent", "billing:read"),
    ("Change the plan", "billing:write"),
    ("Manage people, keys and budgets", "team:admin"),
    ("Delete the team or hand it over", "team:own"),
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def members(request: TeamRequest) -> HttpResponse:
    """List the members and open invitations, or send an invitation on POST."""
    form = InviteForm(request.POST or None, own=request.role)
    if request.method == "POST":
        require(request, "team:admin")
        if form.is_valid():
            try:
                made = invitations.invite(team=request.team, actor=request.user, **form.cleaned_data)
            except AppError as error:
                add_refusal(form, error)
            else:
                messages.success(request, f"An invitation is on its way to {made.email}.")
                return _back(request)
    may_admin = may(request.role, "team:admin")
    people = list(Membership.objects.filter(team=request.team).select_related("user").order_by("id"))
    context = {
        "form": form,
        "people": [(one, may_admin and may_manage(request.role, one.role)) for one in people],
        "owners": sum(one.role == Role.OWNER for one in people),
        "choices": [(role.value, role.label) for role in ROLES if may_manage(request.role, role)],
        "waiting": _waiting(request) if may_admin else [],
        "roles": ROLES,
        "matrix": [(words, [action in ACTIONS[role] for role in ROLES]) for words, action in MATRIX],
        "may_manage": may_admin,
    }
    return render(request, "accounts/members.html", context, status=422 if form.errors else 200)


@require_POST
@membership_required
def member_role(request: TeamRequest, user_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    user = _user(request, user_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        try:
            changed = service.change_role(
                team=request.team, actor=request.user, user=user, role=form.cleaned_data["role"]
            )
        except Conflict as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"{user.display_name} is now {_article(changed)}.")
    else:
        messages.error(request, "There is no such role.")
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def member_remove(request: TeamRequest, user_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    user = _user(request, user_id)
    links = open_links_by(request.team, user)
    if request.method == "POST":
        try:
            service.remove_member(team=request.team, actor=request.user, user=user)
        except Conflict as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"{user.display_name} is not in the team any more.{_still_open(links)}")
        return redirect("home") if user == request.user else _back(request)
    return render(request, "accounts/member_remove.html", {"person": user, "links": links})


def _still_open(links: int) -> str:
    if not links:
        return ""
    what = "1 link to a run is" if links == 1 else f"{links} links to runs are"
    return f" {what} still open: close them in Settings, Team, Links to runs."


@require_POST
@membership_required
def invitation_resend(request: TeamRequest, invitation_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    invitation = _invitation(request, invitation_id)
    try:
        invitations.send_again(invitation=invitation, actor=request.user)
    except (Conflict, LimitReached) as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"Another link is on its way to {invitation.email}. The one before stopped working.")
    return _back(request)


@require_POST
@membership_required
def invitation_revoke(request: TeamRequest, invitation_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    invitation = _invitation(request, invitation_id)
    invitations.revoke(invitation=invitation, actor=request.user)
    messages.success(request, f"The invitation of {invitation.email} does not work any more.")
    return _back(request)


def _back(request: TeamRequest) -> HttpResponse:
    return redirect("accounts:members", team=request.team.slug)


def _user(request: TeamRequest, user_id: UUID) -> User:
    return get_object_or_404(User.objects.filter(memberships__team=request.team), pk=user_id)


def _invitation(request: TeamRequest, invitation_id: UUID) -> Invitation:
    mine = Invitation.objects.for_team(request.team).open().select_related("team")
    return get_object_or_404(mine, pk=invitation_id)


def _waiting(request: TeamRequest) -> list[tuple[Invitation, bool]]:
    rows = Invitation.objects.for_team(request.team).open().select_related("invited_by").order_by("-id")
    return [(row, may_manage(request.role, row.role)) for row in rows]


def _article(membership: Membership) -> str:
    words = {Role.OWNER: "an owner", Role.ADMIN: "an admin", Role.BILLING: "in billing"}
    return words.get(Role(membership.role), f"a {membership.role}")
