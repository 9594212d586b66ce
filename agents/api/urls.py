from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from agents.api.agents import AgentVersionViewSet, AgentViewSet
from agents.api.budgets import AgentBudgetView, BudgetListView, TeamBudgetView
from agents.api.memories import MemoryViewSet
from agents.api.people import AgentPeopleView
from agents.api.roles import RoleTemplateListView

router = SimpleRouter(use_regex_path=False)
router.register("agents", AgentViewSet, basename="agent")
of_agent = "agents/<uuid:agent_pk>/"

urlpatterns = [
    *router.urls,
    path("budgets/", BudgetListView.as_view(), name="budgets"),
    path("budgets/team/", TeamBudgetView.as_view(), name="budget-team"),
    path("budgets/agents/<uuid:agent_pk>/", AgentBudgetView.as_view(), name="budget-agent"),
    path("role-templates/", RoleTemplateListView.as_view(), name="role-templates"),
    path(f"{of_agent}people/", AgentPeopleView.as_view(), name="agent-people"),
    path(f"{of_agent}versions/", AgentVersionViewSet.as_view({"get": "list"}), name="agent-versions"),
    path(
        f"{of_agent}versions/<int:number>/restore/",
        AgentVersionViewSet.as_view({"post": "restore"}),
        name="agent-version-restore",
    ),
    path(f"{of_agent}memories/", MemoryViewSet.as_view({"get": "list", "post": "create"}), name="agent-memories"),
    path(
        f"{of_agent}memories/<uuid:pk>/",
        MemoryViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="agent-memory",
    ),
    path(
        f"{of_agent}memories/<uuid:pk>/accept/", MemoryViewSet.as_view({"post": "accept"}), name="agent-memory-accept"
    ),
]
