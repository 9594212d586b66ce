"""Page that limits an agent to some members."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError
from accounts.forms import add_refusal
from accounts.models import Membership
from accounts.models.roles import SEES_EVERY_AGENT
from accounts.tenancy import TeamRequest, require, team_required
from agents.models import Agent
from agents.services.visibility import limit_agent, limited_to
from tasks.forms.people import AgentPeopleForm
from tasks.services.shares import open_links


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def agent_people(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    require(request, "team:admin")
    agent = get_object_or_404(Agent.objects.visible_to(request.access).present(), pk=agent_id)
    others = Membership.objects.filter(team=request.team).exclude(role__in=SEES_EVERY_AGENT).select_related("user")
    now = limited_to(agent)
    initial = {"who": "everyone" if now is None else "some", "people": [str(pk) for pk in now or ()]}
    people = [one.user for one in others.order_by("id")]
    form = AgentPeopleForm(request.POST or None, initial=initial, people=people)
    if request.method == "POST" and form.is_valid():
        try:
            limit_agent(agent=agent, actor=request.user, to=form.limited_to())
        except AppError as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"Saved who works with {agent.name}.")
            return redirect("tasks:agent_detail", team=request.team.slug, agent_id=agent.pk)
    context = {"agent": agent, "form": form, "has_others": bool(people), "open_links": open_links(agent)}
    return render(request, "tasks/agent_people.html", context, status=422 if form.errors else 200)
