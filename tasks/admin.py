"""Admin pages for tasks, runs and their records. Runs change through services only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin_base import ReadOnlyAdmin, each
from tasks.models import Artifact, HumanRequest, ModelCircuit, Recording, Run, RunEvent, RunInput, RunShare, Step, Task
from tasks.services import continuing, outages, repairs, runs, shares


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    list_display = ["name", "team", "agent", "review", "created_at", "removed_at"]
    list_filter = ["review", "created_at"]
    list_select_related = ["team", "agent"]
    search_fields = ["id", "name", "team__name", "team__slug", "agent__name"]


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = [
        *("title", "team", "agent", "status", "waiting_kind", "worker", "recoveries", "cost_usd", "created_at"),
        "finished_at",
    ]
    list_filter = ["status", "waiting_kind", "kind", "origin", "error_code", "created_at"]
    list_select_related = ["team", "agent"]
    search_fields = ["id", "title", "team__name", "team__slug", "agent__name", "worker"]
    readonly_fields = ["details"]
    actions = ["repair", "continue_failed", "cancel"]

    @admin.display(description="What happened")
    def details(self, run: Run) -> str:
        links = [(name, reverse(f"admin:tasks_{model}_changelist")) for name, model in DETAILS]
        parts = [format_html('<a href="{}?run__id__exact={}">{}</a>', url, run.pk, name) for name, url in links]
        return format_html(" · ".join(["{}"] * len(parts)), *parts)

    @admin.action(description="Repair: let another worker go on, wake one, or start what is due")
    def repair(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda run: repairs.repair_run(run=run, actor=operator), "repaired")

    @admin.action(description="Continue: take failed runs up again after their last settled step")
    def continue_failed(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda run: continuing.continue_run(run=run, actor=operator), "continued")

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        operator: Any = request.user
        reason = "By an operator."
        each(request, queryset, lambda run: runs.cancel_run(run=run, actor=operator, reason=reason), "cancelled")


@admin.register(ModelCircuit)
class ModelCircuitAdmin(ReadOnlyAdmin):
    list_display = ["model", "provider", "failures", "failing_since", "error", "opened_at", "retry_at", "closed_at"]
    search_fields = ["model"]
    actions = ["probe_now"]

    @admin.action(description="Ask it again now")
    def probe_now(self, request: HttpRequest, queryset: QuerySet[ModelCircuit]) -> None:
        each(request, queryset, outages.probe_now, "due")


DETAILS = [
    ("Events", "runevent"),
    ("Steps", "step"),
    ("Requests", "humanrequest"),
    ("Inputs", "runinput"),
    ("Artifacts", "artifact"),
    ("Links", "runshare"),
]


class OfRunAdmin(ReadOnlyAdmin):
    """Rows of runs, newest first, searchable by the run's id."""

    list_select_related = ["run"]
    search_fields = ["run__id"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "run__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]


@admin.register(RunEvent)
class RunEventAdmin(OfRunAdmin):
    list_display = ["at", "run", "seq", "type"]
    list_filter = ["type", "at"]


@admin.register(Step)
class StepAdmin(OfRunAdmin):
    list_display = ["created_at", "run", "index", "kind", "tool", "status", "attempt", "epoch", "finished_at"]
    list_filter = ["kind", "status", "tool"]


@admin.register(HumanRequest)
class HumanRequestAdmin(OfRunAdmin):
    list_display = ["asked_at", "team", "run", "kind", "status", "title", "answered_by", "expires_at"]
    list_filter = ["status", "kind", "asked_at"]
    list_select_related = ["team", "run", "answered_by"]
    search_fields = ["run__id", "title", "team__slug"]


@admin.register(RunInput)
class RunInputAdmin(OfRunAdmin):
    list_display = ["run", "name", "file"]
    list_select_related = ["run", "file"]


@admin.register(Recording)
class RecordingAdmin(OfRunAdmin):
    list_display = ["run", "__str__"]


@admin.register(Artifact)
class ArtifactAdmin(OfRunAdmin):
    list_display = ["updated_at", "team", "run", "path", "version", "file"]
    list_select_related = ["team", "run", "file"]
    search_fields = ["run__id", "path", "team__slug"]


@admin.register(RunShare)
class RunShareAdmin(OfRunAdmin):
    list_display = ["created_at", "team", "run", "token_hint", "created_by", "revoked_at"]
    list_filter = ["revoked_at"]
    list_select_related = ["team", "run", "created_by"]
    exclude = ["token_sha256"]
    actions = ["revoke"]

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[RunShare]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda share: shares.revoke_share(share=share, actor=operator), "revoked")
