"""URLs of a shared run below `/share/<token>/`. Relative to it they equal those of the team's pages."""

from __future__ import annotations

from django.urls import path

from tasks.views import shares

app_name = "shares"
urlpatterns = [
    path("", shares.shared_run, name="run"),
    path("state/", shares.shared_state, name="state"),
    path("history/", shares.shared_history, name="history"),
    path("frames/", shares.shared_frames, name="frames"),
    path("log/", shares.shared_log, name="log"),
    path("timeline/", shares.shared_timeline, name="timeline"),
    path("artifacts/<uuid:artifact_id>/", shares.shared_artifact, name="artifact"),
    path("artifacts/<uuid:artifact_id>/raw/", shares.shared_artifact_raw, name="artifact_raw"),
    path("artifacts/<uuid:artifact_id>/download/", shares.shared_artifact_download, name="artifact_download"),
]
