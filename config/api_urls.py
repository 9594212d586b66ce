"""URLs of `/api/v1/`. Each app brings its own resources."""

from __future__ import annotations

from django.urls import include, path

app_name = "api"
urlpatterns = [
    path("", include("tasks.api.urls")),  # first: runs are requested most
    path("", include("accounts.api.urls")),
    path("", include("billing.api.urls")),
    path("", include("storage.api.urls")),
    path("", include("tools.api.urls")),
    path("", include("agents.api.urls")),
]
