"""Settings page "Plan": the team's plan, its usage, and the other plans."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, membership_required, require
from billing import entitlements
from billing.plans import LABELS, PLANS, Limit, Plan


@never_cache
@require_safe
@membership_required
def plan(request: TeamRequest) -> HttpResponse:
    require(request, "billing:read")
    current = entitlements.plan_of(request.team)
    context = {
        "current": current,
        "meters": entitlements.meters(request.team, current),
        "plans": PLANS.values(),
        "rows": [(label, [_cell(what, one) for one in PLANS.values()]) for what, label in LABELS.items()],
    }
    return render(request, "billing/plan.html", context)


def _cell(what: Limit, of: Plan) -> str:
    limit = of.limits[what]
    return "No limit" if limit is None else entitlements.amount(what, limit) if limit else "None"
