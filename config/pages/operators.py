"""Operators' page: failing services, stuck runs, the cause, and repair by one click."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError, NotFound
from accounts.services import job_runner
from config.pages import health
from tasks.models import Run
from tasks.services import outages, repairs


@require_http_methods(["GET", "HEAD", "POST"])
def health_page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        _repair(request)
        return redirect("operators_health")
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "checks": health.recent(),
        "jobs": job_runner.states(),
        "away": outages.away_models(),
        "stuck": repairs.stuck_runs(),
        "live": Run.objects.live().order_by().values("status").annotate(count=Count("id")).order_by("status"),
        "workers": _workers(),
    }
    return render(request, "admin/health.html", context)


def _repair(request: HttpRequest) -> None:
    operator: Any = request.user
    try:
        run = get_object_or_404(Run, pk=UUID(request.POST.get("run", "")))
    except ValueError:
        raise NotFound("There is no such run.") from None
    try:
        repairs.repair_run(run=run, actor=operator)
    except AppError as error:
        messages.error(request, f"{run}: {error.detail}")
    else:
        messages.success(request, f"{run}: done. It should go on within seconds.")


def _workers() -> list[tuple[str, int]]:
    """Return (name, run count) of each live worker, as it reports itself."""
    prefix = f"{settings.REDIS_PREFIX}worker:"
    try:
        valkey = health.valkey_client()
        names = sorted(key.decode() for key in valkey.scan_iter(f"{prefix}*", count=1000))
        states = [(name.removeprefix(prefix), valkey.get(name)) for name in names]
    except (redis.RedisError, OSError):
        return []
    return [(name, json.loads(state)["runs"]) for name, state in states if state]
