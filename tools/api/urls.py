from __future__ import annotations

from django.urls import path

from tools.api.tools import ToolListView

urlpatterns = [path("tools/", ToolListView.as_view(), name="tools")]
