"""Notifications about requests, ends of runs and spent budgets.

A row without `notified_at` still needs its notification. This costs the engine nothing, and a process that dies in
between loses nothing: the next sweep finds the row again. All times are the database's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts import notifications
from accounts.models import NoticeKind, Notification, Team, User
from accounts.notifications import Notice
from accounts.tenancy import ACTIONS, Access
from agents.models import Agent
from agents.services.visibility import who_sees
from billing.models import Budget
from tasks.models import ENDS_BADLY, UNNOTIFIED, HumanRequest, RequestKind, Run
from tasks.request_kinds import kind_of
from tasks.services import approvers
from tools.text import shorten

BATCH = 200
"""Rows of each kind in one sweep."""
NEWS_FOR = timedelta(days=1)
"""Age at which the end of a run is no longer notified.

After an update or a long outage nobody gets all of them at once.
"""
REQUEST, RUN, BUDGET = "humanrequest", "run", "budget"


def notify_pending() -> None:
    """Send the pending notifications. Safe to run twice at once: each row is locked while it is handled."""
    pending = HumanRequest.objects.open().filter(notified_at__isnull=True)
    _for_each_locked(pending.order_by("asked_at"), _notify_of_request)
    ended = Run.objects.filter(UNNOTIFIED, finished_at__gt=Now() - NEWS_FOR)
    _for_each_locked(ended.order_by("finished_at"), _notify_of_end)
    warned = Budget.objects.filter(warned_at__isnull=False)
    _for_each_locked(warned.filter(_older("warning_notified_at")), _notify_of_warning)
    _for_each_locked(warned.filter(_older("spent_notified_at"), spent_usd__gte=F("limit_usd")), _notify_of_exhaustion)


def _older(field: str) -> Q:
    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__lt": F("warned_at")})


def _for_each_locked(pending: QuerySet[Any], work: Callable[[Any], None]) -> None:
    for pk in list(pending.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            row = pending.select_for_update(skip_locked=True, of=("self",)).filter(pk=pk).first()
            if row is not None:
                work(row)


def settle() -> None:
    """Settle the notifications of closed requests, however they were closed."""
    told = Notification.objects.filter(subject_type=REQUEST, kind=NoticeKind.NEEDS_YOU, settled_at__isnull=True)
    named = set(told.values_list("subject_id", flat=True))
    still = {str(pk) for pk in HumanRequest.objects.open().filter(pk__in=named).values_list("pk", flat=True)}
    if over := named - still:
        notifications.settle(subject_type=REQUEST, subject_ids=over)


# ---- Contents


def _notify_of_request(asked: HumanRequest) -> None:
    run = asked.run
    words = kind_of(asked)
    notice = Notice(
        kind=NoticeKind.NEEDS_YOU,
        title=f"{shorten(run.agent.name, 60)} {words.does}",
        detail=shorten(asked.title, 300),
        url=reverse("tasks:request_detail", args=[run.team.slug, asked.pk]),
        action=words.action,
        subject_type=REQUEST,
        subject_id=str(asked.pk),
        subject_label=shorten(run.title, 200),
    )
    _notify(run, _asked_people(asked), notice)
    HumanRequest.objects.filter(pk=asked.pk).update(notified_at=Now())


def _notify_of_end(run: Run) -> None:
    failed = run.status in ENDS_BADLY
    why = run.error_detail or "No worker took it in time."
    notice = Notice(
        kind=NoticeKind.FAILED if failed else NoticeKind.FINISHED,
        title=f"{shorten(run.agent.name, 60)} {'could not finish' if failed else 'is done'}",
        detail=shorten(why, 300) if failed else "",
        url=reverse("tasks:run_detail", args=[run.team.slug, run.pk]),
        action="See what happened" if failed else "See the result",
        subject_type=RUN,
        subject_id=str(run.pk),
        subject_label=shorten(run.title, 200),
    )
    _notify(run, _starter_or_admins(run), notice)
    Run.objects.filter(pk=run.pk).update(notified_at=Now())


def _notify_of_warning(budget: Budget) -> None:
    _notify_of_budget(budget, "has spent 80% of its budget", "warned")
    Budget.objects.filter(pk=budget.pk).update(warning_notified_at=Now())


def _notify_of_exhaustion(budget: Budget) -> None:
    _notify_of_budget(budget, "has spent its whole budget", "spent")
    Budget.objects.filter(pk=budget.pk).update(spent_notified_at=Now())


def _notify_of_budget(budget: Budget, says: str, which: str) -> None:
    """Notify each time that the budget passes the mark.

    A budget that was raised and is nearly spent again counts anew.
    """
    agent = Agent.objects.for_team(budget.team).filter(pk=budget.agent_id).first() if budget.agent_id else None
    passed = budget.warned_at or timezone.now()
    whose = shorten(agent.name, 60) if agent else shorten(budget.team.name, 60)
    notice = Notice(
        kind=NoticeKind.BUDGET,
        title=f"{whose} {says}",
        detail=f"${budget.spent_usd:,.2f} of ${budget.limit_usd:,.2f} this month. Runs wait when nothing is left.",
        url=reverse("tasks:budgets", args=[budget.team.slug]),
        action="Look at the budgets",
        subject_type=BUDGET,
        subject_id=f"{budget.pk}:{which}:{passed:%Y%m%d%H%M%S}",
        subject_label=whose,
    )
    notifications.notify(
        team=budget.team, people=_people(budget.team, "billing:write"), notice=notice, needs="billing:write"
    )


# ---- Recipients


def _notify(run: Run, people: Collection[User], notice: Notice) -> None:
    """Notify these people, except those who may not see a limited agent."""
    if run.agent.is_limited:
        seen = who_sees([run.agent_id], [person.pk for person in people])
        people = [person for person in people if (run.agent_id, person.pk) in seen]
    notifications.notify(team=run.team, people=people, notice=notice, needs="runs:read")


def _people(team: Team, needs: str) -> list[User]:
    return [membership.user for membership in notifications.members(team, needs=needs)]


def _asked_people(asked: HumanRequest) -> list[User]:
    """Return the starter (or the admins), the agent's approvers, and the admins for a budget."""
    run, people = asked.run, _starter_or_admins(asked.run)
    if kind_of(asked).by_approvers:
        rules = approvers.rules_of(run)
        if any(options.get("approvers") for options in rules):
            people += [
                person for person in _people(run.team, "runs:write") if not approvers.why_barred(asked, run, person)
            ]
        elif any(options.get("four_eyes") for options in rules):
            people += _people(run.team, "team:admin")
    if asked.kind == RequestKind.BUDGET and (asked.arguments or {}).get("scope") != "run":
        people += _people(run.team, "team:admin")
    return people


def _starter_or_admins(run: Run) -> list[User]:
    here = [person for person in _people(run.team, "runs:read") if person.pk == run.created_by_id]
    return here or _people(run.team, "team:admin")


def why_over(notification: Notification, role: str) -> str:
    """Return why a person of that role need not act on the notification, or "".

    Rows that they may not see any more count as gone.
    """
    if notification.subject_type not in (REQUEST, RUN):
        return ""
    actions = ACTIONS.get(role, frozenset())
    access = Access(team=notification.team, actions=actions, role=role, user_id=notification.person_id)
    rows = HumanRequest.objects if notification.subject_type == REQUEST else Run.objects
    found = rows.visible_to(access).filter(pk=notification.subject_id).first() if "runs:read" in actions else None
    if found is None:
        return notifications.GONE
    return "" if isinstance(found, Run) or found.status == "open" else f"It is {found.status}."
