from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from tasks.api.agents import AgentDemoView, AgentMetricsView
from tasks.api.artifacts import ArtifactViewSet, RunArtifactViewSet
from tasks.api.events import RunEventsView
from tasks.api.requests import InboxViewSet, RequestViewSet
from tasks.api.runs import RunViewSet
from tasks.api.shares import OpenShareViewSet, RunShareViewSet
from tasks.api.tasks import TaskViewSet
from tasks.live import sse

router = SimpleRouter(use_regex_path=False)
router.register("tasks", TaskViewSet, basename="task")
router.register("runs", RunViewSet, basename="run")
router.register("artifacts", ArtifactViewSet, basename="artifact")
router.register("inbox", InboxViewSet, basename="inbox")
router.register("shares", OpenShareViewSet, basename="share")
of_run = "runs/<uuid:run_pk>/"

urlpatterns = [
    *router.urls,
    path("agents/<uuid:agent_pk>/metrics/", AgentMetricsView.as_view(), name="agent-metrics"),
    path("agents/<uuid:agent_pk>/demo/", AgentDemoView.as_view(), name="agent-demo"),
    path("runs/<uuid:run_id>/stream/", sse.run_stream, name="run_stream"),
    path(f"{of_run}events/", RunEventsView.as_view(), name="run-events"),
    path(f"{of_run}requests/", RequestViewSet.as_view({"get": "list"}), name="run-requests"),
    path(f"{of_run}requests/<uuid:pk>/", RequestViewSet.as_view({"get": "retrieve"}), name="run-request"),
    path(f"{of_run}requests/<uuid:pk>/answer/", RequestViewSet.as_view({"post": "answer"}), name="run-request-answer"),
    path(f"{of_run}shares/", RunShareViewSet.as_view({"get": "list", "post": "create"}), name="run-shares"),
    path(f"{of_run}shares/<uuid:pk>/", RunShareViewSet.as_view({"delete": "destroy"}), name="run-share"),
    path(f"{of_run}artifacts/", RunArtifactViewSet.as_view({"get": "list"}), name="run-artifacts"),
]
