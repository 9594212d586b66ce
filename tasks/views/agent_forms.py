"""Pages to add and change agents and their memories."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import AppError, InvalidInput
from accounts.forms import add_refusal
from accounts.tenancy import TeamRequest, may, require, team_required
from agents import roles
from agents.forms import AgentForm
from agents.models import Agent, AgentVersion, Memory
from agents.services import agents, checks, consent, memories, models
from tasks.reports import activity
from tools import catalog
from tools.catalog import Catalog
from tools.spec import Policy


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def agent_new(request: TeamRequest) -> HttpResponse:
    """Create an agent, from a role template (`?role=…`) or from scratch."""
    require(request, "agents:write")
    role = roles.find(request.GET.get("role", ""))
    is_admin = may(request.role, consent.RIGHT)
    cap = None if is_admin else checks.most_of_members(None)
    loosest = None if is_admin else consent.loosest_policies(None, team_id=request.team.pk)
    tools = catalog.for_team(request.team.pk)
    initial = _of_role(role, tools)
    form = AgentForm(request.POST or None, tools=tools, cap_usd=cap, loosest=loosest, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            given = form.configuration()
            made = agents.create_agent(team=request.team, actor=request.user, is_admin=is_admin, **given)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{made.name} is ready to work.")
            return redirect("tasks:agent_detail", team=request.team.slug, agent_id=made.pk)
    return _form_page(request, form, role=role, roles=roles.ROLES)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
@transaction.atomic
def agent_edit(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    require(request, "agents:write")
    present = Agent.objects.visible_to(request.access).present()
    found = present.locked() if request.method == "POST" else present.select_related("version", "team")
    agent = get_object_or_404(found, pk=agent_id)
    version = cast(AgentVersion, agent.version)
    budget = activity.agent_budgets(request.team).get(agent.pk)
    tools = catalog.for_team(request.team.pk)
    initial = AgentForm.initial_of(agent, version, budget.limit_usd if budget else None, tools=tools)
    is_admin = may(request.role, consent.RIGHT)
    limits: dict[str, Any] = {"may_set_budget": is_admin}
    if not is_admin:
        loosest = consent.loosest_policies(agent, team_id=request.team.pk)
        limits |= {"cap_usd": checks.most_of_members(version), "loosest": loosest}
    form = AgentForm(request.POST or None, tools=tools, present=version, initial=initial, **limits)
    if request.method == "POST" and form.is_valid():
        try:
            changes = form.configuration()
            agent = agents.update_agent(agent=agent, actor=request.user, changes=changes, is_admin=is_admin)
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{agent.name} works with the new settings from the next run on.")
            return redirect("tasks:agent_detail", team=request.team.slug, agent_id=agent.pk)
    return _form_page(request, form, agent=agent)


@require_POST
@team_required
@transaction.atomic
def agent_restore(request: TeamRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Restore an old version as the newest one."""
    require(request, "agents:write")
    agent = get_object_or_404(Agent.objects.visible_to(request.access).present().locked(), pk=agent_id)
    if agents.restores_a_higher_cap(agent=agent, number=number):
        require(request, "team:admin")
    is_admin = may(request.role, consent.RIGHT)
    agent = agents.restore_version(agent=agent, actor=request.user, number=number, is_admin=is_admin)
    messages.success(request, f"{agent.name} works as in version {number} again, from the next run on.")
    return redirect("tasks:agent_detail", team=request.team.slug, agent_id=agent_id)


@require_POST
@team_required
def memory_add(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    require(request, "agents:write")
    agent = get_object_or_404(Agent.objects.visible_to(request.access).present(), pk=agent_id)
    try:
        memories.add_memory(agent=agent, actor=request.user, text=request.POST.get("text", ""))
    except InvalidInput as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"{agent.name} will remember that.")
    return redirect(reverse("tasks:agent_detail", args=(request.team.slug, agent_id)) + "#memory")


@require_POST
@team_required
def memory_forget(request: TeamRequest, agent_id: UUID, memory_id: UUID) -> HttpResponse:
    require(request, "agents:write")
    memory = get_object_or_404(Memory.objects.visible_to(request.access), pk=memory_id, agent_id=agent_id)
    memories.forget_memory(memory=memory, actor=request.user)
    messages.success(request, "Forgotten.")
    return redirect("tasks:agent_detail", team=request.team.slug, agent_id=agent_id)


def _form_page(request: TeamRequest, form: AgentForm, **more: Any) -> HttpResponse:
    context = {"form": form, "has_key": models.has_real_models(), **more}
    return render(request, "tasks/agent_form.html", context, status=422 if form.errors else 200)


def _of_role(role: roles.RoleTemplate | None, known: Catalog) -> dict[str, Any]:
    """Return the role's configuration as initial values of the form."""
    if role is None:
        return {}
    given = roles.starting_point(role)
    policies = {name: policy.value for name, policy in role.tools}
    tools = {f"tool_{name}": policies.get(name, Policy.DENY.value) for name in known.names}
    return given | tools | {"timeout_min": role.timeout_s // 60}
