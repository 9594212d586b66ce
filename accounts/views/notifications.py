"""Pages of notifications: the bell, the list, the choices, and the links in mails."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import mail, notifications
from accounts.models import Channel, NoticeKind, Notification
from accounts.models.notifications import channels_of
from accounts.tenancy import TeamRequest, membership_required

IN_MENU, ON_PAGE = 8, 50
"""Notifications in the menu, and on a page."""
ICONS = {
    NoticeKind.NEEDS_YOU: "hand",
    NoticeKind.FAILED: "circle-x",
    NoticeKind.BUDGET: "wallet",
    NoticeKind.INVITATION: "user-plus",
    NoticeKind.FINISHED: "circle-check",
}
ABOUT = {
    NoticeKind.NEEDS_YOU: "Questions, approvals, reviews and spent budgets of runs that you started or decide about.",
    NoticeKind.FAILED: "A run that you started ended without a result.",
    NoticeKind.BUDGET: "80% and all of a monthly budget, for who looks after the team's money.",
    NoticeKind.INVITATION: "Somebody whom you invited is in the team now.",
    NoticeKind.FINISHED: "A run that you started ended well. For runs that you start from now on.",
}


def _rows(request: TeamRequest) -> Any:
    return Notification.objects.for_team(request.team).shown_to(request.user, request.access.actions).order_by("-id")


@never_cache
@require_safe
@membership_required
def notification_list(request: TeamRequest) -> HttpResponse:
    """List all notifications; with `?part=menu` return the menu below the bell."""
    rows = _rows(request)
    if request.GET.get("part") == "menu":
        newest = [(row, ICONS[NoticeKind(row.kind)]) for row in rows[:IN_MENU]]
        return render(request, "accounts/_bell_menu.html", {"rows": newest, "unread": rows.unread().count()})
    page = Paginator(rows, ON_PAGE).get_page(request.GET.get("page"))
    shown = [(row, ICONS[NoticeKind(row.kind)]) for row in page]
    return render(request, "accounts/notification_list.html", {"page": page, "rows": shown})


@require_POST
@membership_required
def notifications_read(request: TeamRequest) -> HttpResponse:
    notifications.mark_read(team=request.team, person=request.user, actions=request.access.actions)
    if "HX-Request" in request.headers:
        newest = [(row, ICONS[NoticeKind(row.kind)]) for row in _rows(request)[:IN_MENU]]
        return render(request, "accounts/_bell_menu.html", {"rows": newest, "unread": 0})
    return redirect("accounts:notification_list", team=request.team.slug)


@require_POST
@membership_required
def notification_open(request: TeamRequest, notification_id: UUID) -> HttpResponse:
    """Mark the notification as read and redirect to its page. If that is gone, show 410."""
    row = get_object_or_404(_rows(request), pk=notification_id)
    notifications.mark_read(team=request.team, person=request.user, actions=request.access.actions, only=row.pk)
    return _open_subject(request, row)


def _open_subject(request: HttpRequest, row: Notification) -> HttpResponse:
    if mail.out_of_date(row) == notifications.GONE:
        return render(request, "accounts/notification_gone.html", {"row": row}, status=410)
    return redirect(row.url)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def notification_choices(request: TeamRequest) -> HttpResponse:
    """Show one row for each kind with one switch for each channel. A POST saves them."""
    if request.method == "POST":
        chosen = {str(kind): [c for c in Channel if f"{kind}.{c}" in request.POST] for kind in NoticeKind}
        notifications.choose(person=request.user, choices=chosen)
        messages.success(request, "Your choices are saved.")
        return redirect("accounts:notification_choices", team=request.team.slug)
    rows = [
        {
            "kind": kind,
            "icon": ICONS[kind],
            "about": ABOUT[kind],
            "channels": [(c, c in channels_of(request.user, kind)) for c in Channel],
        }
        for kind in NoticeKind
    ]
    return render(request, "accounts/notification_choices.html", {"rows": rows, "channels": Channel})


# ---- Links in mails. Opening one does nothing: a scanner that follows every link changes nothing.


@never_cache
@require_safe
@login_required
def notification_link(request: HttpRequest, token: str) -> HttpResponse:
    row = notifications.opened(token)
    if row is None:
        return render(request, "accounts/notification_no_link.html", {"why": "old"}, status=410)
    if row.person_id != request.user.pk:
        return render(request, "accounts/notification_no_link.html", {"why": "person"}, status=403)
    if mail.out_of_date(row) == mail.NOT_IN_TEAM:
        return render(request, "accounts/notification_no_link.html", {"why": "team"}, status=403)
    return _open_subject(request, row)


@never_cache
@csrf_exempt  # mail programs post here by themselves (RFC 8058); the signed token authorises only this
@require_http_methods(["GET", "HEAD", "POST"])
def notification_off(request: HttpRequest, token: str) -> HttpResponse:
    """Ask for confirmation; on POST switch off mail of one kind for one person.

    The settings page switches it on again.
    """
    found = notifications.opened_off(token)
    if found is None:
        return render(request, "accounts/notification_no_link.html", {"why": "old"}, status=410)
    person, kind = found
    if request.method == "POST":
        notifications.switch_mail_off(person=person, kind=kind)
    context = {"kind": kind, "is_off": Channel.MAIL not in channels_of(person, kind)}
    return render(request, "accounts/notification_off.html", context)
