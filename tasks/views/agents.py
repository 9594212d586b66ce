"""Pages of agents: the list, one agent, pausing, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.tenancy import TeamRequest, may, require, team_required
from agents import hooks
from agents.models import Agent, AgentStatus, Memory
from agents.services import agents as agent_services
from agents.services import models
from billing.models import Budget
from tasks.models import Run, Task
from tasks.reports import activity
from tools import catalog

STATES = {"": "All", "working": "Working", "waiting": "Needs you", "paused": "Paused"}
ORDERS = {"runs": "Most runs first", "spend": "Highest spend first", "name": "By name"}


@dataclass(frozen=True, slots=True)
class Card:
    """Agent in the list."""

    agent: Agent
    presence: activity.Presence
    month: activity.Tally
    budget: Budget | None


@require_safe
@team_required
def agent_list(request: TeamRequest) -> HttpResponse:
    team = request.team
    agents = list(Agent.objects.visible_to(request.access).present().select_related("version").order_by("name"))
    present, month, budgets = (
        activity.presence(request.access, agents),
        activity.activity(request.access).agents,
        activity.agent_budgets(team),
    )
    cards = [
        Card(agent, present[agent.pk], month.get(agent.pk) or activity.Tally(), budgets.get(agent.pk))
        for agent in agents
    ]
    text, state = request.GET.get("q", "").strip(), request.GET.get("state", "")
    order = request.GET.get("order", "runs")
    shown = [card for card in cards if _matches(card, text) and state in ("", card.presence.state)]
    keys = {
        "runs": lambda c: -c.month.runs,
        "spend": lambda c: -c.month.cost_usd,
        "name": lambda c: c.agent.name.lower(),
    }
    context = {
        "cards": sorted(shown, key=keys.get(order, keys["runs"])),
        "total": len(cards),
        "states": [(key, label, sum(key in ("", c.presence.state) for c in cards)) for key, label in STATES.items()],
        "orders": ORDERS,
        "text": text,
        "state": state,
        "order": order,
        "may_change": may(request.role, "agents:write"),
        "may_work": may(request.role, "runs:write"),
    }
    return render(request, "tasks/agent_list.html", context)


def _matches(card: Card, text: str) -> bool:
    words = f"{card.agent.name} {card.agent.role} {card.agent.description}".lower()
    return all(word in words for word in text.lower().split())


@require_safe
@team_required
def agent_detail(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    agent = _agent(request, agent_id)
    tally, per_day = activity.agent_tally(agent)
    version = agent.version
    is_admin = may(request.role, "team:admin")
    versions = list(agent.versions.select_related("created_by").order_by("-number")[:10])
    rows = version.tools if version else []
    tools = catalog.for_run(team_id=request.team.pk, tools=rows)
    policies = [(spec, row["policy"]) for row in rows if (spec := tools.get(row["tool"]))]
    context = {
        "agent": agent,
        "version": version,
        "model_end": models.Catalogue().end_of(version.runtime, version.model) if version else None,
        "presence": activity.presence(request.access, [agent])[agent.pk],
        "tally": tally,
        "average_s": tally.active_s / tally.runs if tally.runs else None,
        "average_usd": tally.cost_usd / tally.runs if tally.runs else None,
        "per_day": per_day,
        "budget": activity.agent_budgets(request.team).get(agent.pk),
        "policies": [row for row in policies if row[1] != "deny"],
        "runs": Run.objects.visible_to(request.access).with_people_words().filter(agent=agent).order_by("-id")[:10],
        "tasks": Task.objects.visible_to(request.access).present().filter(agent=agent).order_by("name")[:20],
        "memories": Memory.objects.visible_to(request.access).filter(agent=agent).order_by("-created_at")[:20],
        "versions": versions,
        "for_admins": set() if is_admin else agent_services.versions_for_admins(agent=agent, versions=versions),
        "may_change": may(request.role, "agents:write"),
        "may_limit": is_admin,
        "may_work": may(request.role, "runs:write"),
    }
    return render(request, "tasks/agent_detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def agent_remove(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    """Ask for confirmation with what would stop, or delete the agent on POST."""
    require(request, "agents:write")
    agent = _agent(request, agent_id)
    if request.method == "POST":
        agent_services.remove_agent(agent=agent, actor=request.user)
        messages.success(request, f"{agent.name} is gone. Finished runs and files stay.")
        return redirect("tasks:agent_list", team=request.team.slug)
    live = Run.objects.visible_to(request.access).live().filter(agent=agent)
    context = {
        "agent": agent,
        "stops": list(chain.from_iterable(hooks.agent_dependents(agent=agent))),
        "some": live.with_people_words().order_by("-id")[:5],
    }
    return render(request, "tasks/agent_remove.html", context)


@require_POST
@team_required
def agent_pause(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    """Pause or resume the agent. Live runs finish; a paused agent gets no new ones."""
    require(request, "agents:write")
    agent = _agent(request, agent_id)
    if agent.status == AgentStatus.PAUSED:
        agent_services.resume_agent(agent=agent, actor=request.user)
        messages.success(request, f"{agent.name} takes work again.")
    else:
        agent_services.pause_agent(agent=agent, actor=request.user)
        messages.success(request, f"{agent.name} is paused. Runs in progress finish, new ones wait for you.")
    return redirect("tasks:agent_detail", team=request.team.slug, agent_id=agent.pk)


def _agent(request: TeamRequest, agent_id: UUID) -> Agent:
    agents = Agent.objects.visible_to(request.access).present().select_related("version", "created_by", "team")
    return get_object_or_404(agents, pk=agent_id)
