"""Pages of budgets. They show limits and spending of the team and its agents, and runs that wait for money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.errors import NotFound
from accounts.tenancy import TeamRequest, may, membership_required, require
from agents.models import Agent
from billing.reports import Standing, standings
from billing.services import set_budget
from tasks.forms.answers import suggested_limit
from tasks.forms.budgets import BudgetForm
from tasks.models import HumanRequest, RequestKind

MOST_WAITING = 100
"""Waiting runs that are listed."""
MAY_RAISE = {"team": "team:admin", "agent": "team:admin", "run": "runs:write"}


@dataclass(frozen=True, slots=True)
class Row:
    """Budget of the team or of an agent."""

    agent: Agent | None
    standing: Standing
    form: BudgetForm
    may_set: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Run that waits for money, and the limit that would let it continue."""

    asked: HumanRequest
    scope: str
    limit_usd: str
    may_raise: bool


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@membership_required
def budgets(request: TeamRequest) -> HttpResponse:
    require(request, "billing:read")
    agents = list(Agent.objects.visible_to(request.access).present().order_by("name", "pk"))
    wrong: tuple[Agent | None, BudgetForm] | None = None
    if request.method == "POST":
        agent = _agent(agents, request.POST.get("agent", ""))
        require(request, MAY_RAISE["agent" if agent else "team"])
        form = BudgetForm(request.POST, auto_id=_auto_id(agent))
        if "clear" in request.POST or form.is_valid():
            limit = None if "clear" in request.POST else form.cleaned_data["limit_usd"]
            return _set(request, agent, limit)
        wrong = (agent, form)
    rows = _rows(request, agents, wrong)
    context = {"team_row": rows[0], "agent_rows": rows[1:], "waiting": _waiting(request)}
    return render(request, "tasks/budgets.html", context, status=422 if wrong else 200)


def _agent(agents: Sequence[Agent], text: str) -> Agent | None:
    if not text:
        return None
    found = next((agent for agent in agents if str(agent.pk) == text), None)
    if found is None:
        raise NotFound("There is no such agent.")
    return found


def _set(request: TeamRequest, agent: Agent | None, limit: Decimal | None) -> HttpResponse:
    agent_id: UUID | None = agent.pk if agent else None
    set_budget(team=request.team, actor=request.user, limit_usd=limit, agent_id=agent_id)
    whose = agent.name if agent else "The team"
    said = f"{whose} may spend ${limit:,.2f} a month." if limit is not None else f"{whose} has no monthly limit."
    messages.success(request, said)
    return redirect("tasks:budgets", team=request.team.slug)


def _auto_id(agent: Agent | None) -> str:
    return f"{agent.pk if agent else 'team'}-%s"


def _rows(request: TeamRequest, agents: Sequence[Agent], wrong: tuple[Agent | None, BudgetForm] | None) -> list[Row]:
    of_team, of_agents = standings(request.team)
    rows = []
    for agent in (None, *agents):
        standing = of_agents.get(agent.pk, Standing(None, Decimal(0))) if agent else of_team
        limit = standing.limit_usd
        initial = {"limit_usd": None if limit is None else limit.quantize(Decimal("0.01"))}
        form = BudgetForm(initial=initial, auto_id=_auto_id(agent))
        if wrong and wrong[0] == agent:
            form = wrong[1]
        rows.append(Row(agent, standing, form, may(request.role, MAY_RAISE["agent" if agent else "team"])))
    return rows


def _waiting(request: TeamRequest) -> list[Waiting]:
    """Return the runs that wait for money, longest wait first. None for a role that sees no runs."""
    if not may(request.role, "runs:read"):
        return []
    asked = HumanRequest.objects.visible_to(request.access).open().filter(kind=RequestKind.BUDGET)
    found = []
    for one in asked.select_related("run__agent").order_by("pk")[:MOST_WAITING]:
        scope = str((one.arguments or {}).get("scope", "run"))
        allowed = may(request.role, MAY_RAISE.get(scope, "team:admin"))
        found.append(Waiting(one, scope, suggested_limit(one), allowed))
    return found
