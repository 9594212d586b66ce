from __future__ import annotations

from django.urls import include, path

from tasks.views import (
    agent_forms,
    agents,
    artifacts,
    dashboard,
    files,
    inbox,
    live,
    onboarding,
    palette,
    run_actions,
    runs,
    shares,
    tasks,
)

app_name = "tasks"

run_patterns = [
    path("", runs.run_detail, name="run_detail"),
    path("state/", live.run_state, name="run_state"),
    path("history/", live.run_history, name="run_history"),
    path("frames/", live.run_frames, name="run_frames"),
    path("log/", live.run_log, name="run_log"),
    path("timeline/", live.run_timeline, name="run_timeline"),
    path("cancel/", run_actions.run_cancel, name="run_cancel"),
    path("retry/", run_actions.run_retry, name="run_retry"),
    path("receipt/", run_actions.run_receipt, name="run_receipt"),
    path("bundle/", run_actions.run_bundle, name="run_bundle"),
    path("share/", shares.run_share, name="run_share"),
    path("share/<uuid:share_id>/revoke/", shares.share_revoke, name="share_revoke"),
    path("inputs/<int:input_id>/download/", artifacts.run_input, name="run_input"),
    path("artifacts/<uuid:artifact_id>/", artifacts.artifact_detail, name="artifact_detail"),
    path("artifacts/<uuid:artifact_id>/raw/", artifacts.artifact_raw, name="artifact_raw"),
    path("artifacts/<uuid:artifact_id>/download/", artifacts.artifact_download, name="artifact_download"),
]
urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("palette/", palette.palette, name="palette"),
    path("live/", dashboard.dashboard_live, name="dashboard_live"),
    path("start/", onboarding.choose_role, name="onboarding"),
    path("start/<uuid:agent_id>/", onboarding.first_run, name="onboarding_first_run"),
    path("agents/", agents.agent_list, name="agent_list"),
    path("agents/new/", agent_forms.agent_new, name="agent_new"),
    path("agents/<uuid:agent_id>/change/", agent_forms.agent_edit, name="agent_edit"),
    path("agents/<uuid:agent_id>/memories/<uuid:memory_id>/forget/", agent_forms.memory_forget, name="memory_forget"),
    path("agents/<uuid:agent_id>/memories/", agent_forms.memory_add, name="memory_add"),
    path("agents/<uuid:agent_id>/versions/<int:number>/restore/", agent_forms.agent_restore, name="agent_restore"),
    path("agents/<uuid:agent_id>/", agents.agent_detail, name="agent_detail"),
    path("agents/<uuid:agent_id>/pause/", agents.agent_pause, name="agent_pause"),
    path("agents/<uuid:agent_id>/let-go/", agents.agent_remove, name="agent_remove"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("requests/<uuid:request_id>/", inbox.request_detail, name="request_detail"),
    path("requests/<uuid:request_id>/answer/", inbox.request_answer, name="request_answer"),
    path("files/", files.file_upload, name="file_upload"),
    path("tasks/", tasks.task_list, name="task_list"),
    path("tasks/new/", tasks.task_new, name="task_new"),
    path("tasks/<uuid:task_id>/", tasks.task_detail, name="task_detail"),
    path("tasks/<uuid:task_id>/change/", tasks.task_edit, name="task_edit"),
    path("tasks/<uuid:task_id>/delete/", tasks.task_remove, name="task_remove"),
    path("runs/", runs.run_list, name="run_list"),
    path("runs/new/", runs.run_new, name="run_new"),
    path("runs/<uuid:run_id>/", include(run_patterns)),
]
